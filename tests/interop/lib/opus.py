# Opus for clients that have none. A JSON object a line:
#   {"chirp": [300, 3000]} -> {"frames": [base64...]}: one second, a frame each 20 ms
#   {"frames": [base64...]} -> {"samples": base64}: 16-bit samples at 8 kHz
# SPDX-License-Identifier: Apache-2.0
import base64
import fractions
import json
import math
import sys

import av

RATE = 48000
FRAME = 960


def encode(start, stop):
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate = RATE
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = 48000
    frames = []
    for k in range(3 * RATE // FRAME):
        wave = bytearray()
        for n in range(k * FRAME, (k + 1) * FRAME):
            t = n % RATE / RATE
            fade = min(1, t / 0.01, (1 - t) / 0.01)
            value = 0.5 * fade * math.sin(2 * math.pi * (start * t + (stop - start) / 2 * t * t))
            wave += int(value * 32767).to_bytes(2, "little", signed=True)
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(bytes(wave))
        frame.sample_rate = RATE
        frame.pts = k * FRAME
        frame.time_base = fractions.Fraction(1, RATE)
        frames += [bytes(packet) for packet in codec.encode(frame)]
    return frames


def decode(frames):
    codec = av.CodecContext.create("libopus", "r")
    codec.sample_rate = RATE
    codec.layout = "mono"
    resampler = av.AudioResampler(format="s16", layout="mono", rate=8000)
    samples = bytearray()
    for data in frames:
        for frame in codec.decode(av.Packet(data)):
            for out in resampler.resample(frame):
                samples += bytes(out.planes[0])[: 2 * out.samples]
    return bytes(samples)


for line in sys.stdin:
    request = json.loads(line)
    if "chirp" in request:
        answer = {"frames": [base64.b64encode(f).decode() for f in encode(*request["chirp"])]}
    else:
        answer = {"samples": base64.b64encode(decode([base64.b64decode(f) for f in request["frames"]])).decode()}
    print(json.dumps(answer), flush=True)
