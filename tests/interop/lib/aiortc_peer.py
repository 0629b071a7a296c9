# A second WebRTC stack in the room: aiortc, driven over standard input and output, a JSON object a line.
# It says a chirp over and over, and keeps what it hears, by slot, as 16-bit samples at 8 kHz.
#   {"do": "offer", "chirp": [300, 3000], "slots": 2, "way": "sendrecv"} -> {"sdp": "..."}      {"do": "answer", "sdp": "..."} -> {"state": "connected"}
#   {"do": "recording", "slot": 0} -> {"samples": base64}                    {"do": "close"}
# SPDX-License-Identifier: Apache-2.0
import asyncio
import base64
import fractions
import json
import math
import sys
import time

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaStreamError

RATE = 48000
FRAME = 960


class Chirp(MediaStreamTrack):
    kind = "audio"

    def __init__(self, start, stop):
        super().__init__()
        self.wave = bytearray()
        for n in range(RATE):
            t = n / RATE
            fade = min(1, t / 0.01, (1 - t) / 0.01)
            value = 0.5 * fade * math.sin(2 * math.pi * (start * t + (stop - start) / 2 * t * t))
            self.wave += int(value * 32767).to_bytes(2, "little", signed=True)
        self.sent = 0
        self.began = None

    async def recv(self):
        self.began = self.began or time.time()
        await asyncio.sleep(max(0, self.began + self.sent / RATE - time.time()))
        at = self.sent % RATE
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(bytes(self.wave[2 * at : 2 * (at + FRAME)]))
        frame.sample_rate = RATE
        frame.pts = self.sent
        frame.time_base = fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


class Peer:
    def __init__(self):
        self.pc = RTCPeerConnection()
        self.heard = {}
        self.tasks = []
        self.pc.on("track", self.on_track)

    def on_track(self, track):
        slot = len(self.tasks)
        self.heard[slot] = bytearray()
        self.tasks.append(asyncio.ensure_future(self.listen(track, slot)))

    async def listen(self, track, slot):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=8000)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            for out in resampler.resample(frame):
                self.heard[slot] += bytes(out.planes[0])[: 2 * out.samples]

    async def offer(self, request):
        talks = request["way"] != "recvonly"
        if talks:
            self.pc.addTransceiver(Chirp(*request["chirp"]), direction=request["way"])
        for _ in range(request["slots"] - talks):
            self.pc.addTransceiver("audio", direction="recvonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return {"sdp": self.pc.localDescription.sdp}

    async def answer(self, request):
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=request["sdp"], type="answer"))
        for _ in range(600):  # a minute: the machine may be busy
            if self.pc.connectionState in ("connected", "failed", "closed"):
                break
            await asyncio.sleep(0.1)
        return {"state": self.pc.connectionState}

    async def recording(self, request):
        return {"samples": base64.b64encode(bytes(self.heard.get(request["slot"], b"")[-48000:])).decode()}


async def main():
    peer = Peer()
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        if request["do"] == "close":
            break
        answer = await getattr(peer, request["do"])(request)
        print(json.dumps(answer), flush=True)
    await peer.pc.close()


asyncio.run(main())
