/*
 * A small region for the tests of undo.h, pool.h, block.h and ring.h: one process (the one that gets killed)
 * and its peer at the other end of two rings, both deterministic. What transaction `step` does depends on
 * what stands in the scene alone, so a scene that was undone and done again must end up the same.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_UNDO_SCENE_H
#define VOXPOP_TEST_UNDO_SCENE_H

#include "block.h"
#include "ring.h"

#define SCENE_BLOCKS   6u
#define SCENE_ELEMENTS 12u
#define SCENE_RING     2048u
#define SCENE_IDS      512u
#define SCENE_UNDO     (16u << 10)

struct element {
    uint32_t link; /* the pool's while free */
    uint32_t index;
    uint64_t stamp;
    uint64_t filled; /* what the holder wrote at first */
    uint64_t turns;  /* times it was changed since */
};

/* What the process under test writes. */
struct scene_state {
    uint64_t stamp;
    uint64_t step;
    struct chain chain;
    uint64_t appended, consumed; /* bytes ever */
    uint64_t sent;               /* entries ever, to the peer */
    uint32_t held_count;
    uint32_t held[SCENE_ELEMENTS];
    uint32_t pad;
    uint8_t effects[SCENE_IDS]; /* times that the peer's entry of this id had its effect */
};

struct scene {
    struct scene_state state;
    _Atomic uint64_t log_head;
    uint64_t peer_sent, peer_heard; /* entries ever; the peer's */
    struct {
        struct pool pool;
        struct block at[SCENE_BLOCKS];
    } blocks;
    struct {
        struct pool pool;
        struct element at[SCENE_ELEMENTS];
    } elements;
    struct {
        struct ring ring;
        uint8_t data[SCENE_RING];
    } out, in; /* as the process under test sees them */
    struct {
        struct txn_log log;
        uint8_t undo[SCENE_UNDO];
    } own, peer;
};

/* What a process has on its heap, and loses. */
struct life {
    struct scene *scene;
    struct txn txn;
    struct ring_end out, in;
    struct ring_entry *open[SCENE_RING / 16]; /* seen and not done */
    uint32_t open_count;
};

void scene_format(struct scene *s);

/* A process begins: recovers, then finds its ends of the rings. Returns the phase found. */
enum txn_phase life_begin(struct life *l, struct scene *s);

/* One transaction, numbered scene.state.step. */
void life_step(struct life *l);

/* The peer's turn before transaction `step`: takes what came, checking it, and sends more. Returns false if
 * what came is wrong. */
bool peer_turn(struct scene *s, uint64_t step);

/* All that matters of the scene in one text of bytes: two scenes in the same state give the same. Checks on
 * the way that the pools are whole and that contents are what they should be. NULL if not, with the reason in
 * *why. */
uint8_t *scene_picture(struct scene *s, size_t *size, const char **why);

#endif
