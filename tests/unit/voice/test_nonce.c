/*
 * The rule that everything hangs on: no key is ever used twice with the same nonce, whatever members, keys,
 * counters, kills and undone transactions do. Random operations, and a table of every (key, counter) that a
 * sealed datagram carried.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/map.h"
#include "tests/unit/voice/fixture.h"

#define PEOPLE 6u
#define STEPS  8000u

static struct map used;
static uint64_t sealed_count;

static uint64_t random_state;

static uint32_t dice(uint32_t sides)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % sides;
}

/* Keys are numbered: the number stands in their first four bytes. */
static void new_key(struct client *c)
{
    static uint32_t number;
    number++;
    memset(c->key, 0xc3, sizeof c->key);
    memcpy(c->key, &number, sizeof number);
}

static void is_new(struct fix *f, const struct voice_target *t)
{
    const struct client *c = &f->client[t->member];
    uint32_t key, counter = be32(t->payload + t->length - 4);
    uint8_t text[1600];
    size_t len;
    uint64_t seen;
    memcpy(&key, c->key, sizeof key);
    assert_true(opens(c, t->payload, t->length, text, &len));
    assert_true(counter >= VOICE_COUNTER_FIRST && counter < VOICE_COUNTER_LAST);
    assert_false(map_get(&used, (uint64_t)key << 32 | counter, &seen));
    assert_true(map_put(&used, (uint64_t)key << 32 | counter, 1));
    sealed_count++;
}

static bool present(struct fix *f, uint32_t i)
{
    return member(f, i)->generation != 0;
}

/* One change of one member, as a control plane might want it: never a key that was given before. */
static void change(struct fix *f, uint32_t i)
{
    struct client *c = &f->client[i];
    if (!present(f, i)) {
        c->i = i;
        c->ssrc = ssrc_of(i);
        c->room = dice(2);
        c->mode = (uint8_t)(1 + dice(2));
        c->port = (uint16_t)(5000 + i);
        c->generation += 1 + dice(3);
        new_key(c);
        assert_true(sets(f, c));
        return;
    }
    switch (dice(6)) {
    case 0:
        assert_true(leaves(f, c));
        return;
    case 1:
        c->generation += 1 + dice(3);
        break; /* the same key under another generation */
    case 2:
        c->generation += 1 + dice(3);
        new_key(c);
        c->counter = 0;
        break;
    case 3:
        new_key(c); /* the same generation */
        c->counter = 0;
        break;
    case 4:
        c->room = dice(2);
        break;
    case 5:
        c->flags ^= MEMBER_DEAF;
        break;
    }
    assert_true(sets(f, c));
}

static void speak(struct fix *f, uint32_t i)
{
    uint8_t p[64];
    if (present(f, i))
        arrives_in(f, &f->client[i], p, seals(&f->client[i], "opus", p));
}

/* Sometimes a counter is near its end. */
static void age(struct fix *f, uint32_t i)
{
    const struct client *c = &f->client[i];
    if (present(f, i) && counter_of(f, c) < VOICE_COUNTER_LAST - 100)
        counter_is(f, c, VOICE_COUNTER_LAST - 1 - dice(20));
}

static struct fix *dies(struct fix *f)
{
    struct fix *next = killed(f);
    next->sealed = is_new;
    done(f);
    return next;
}

/* A transaction of random changes and packets; now and then its process dies in it or behind it. */
static struct fix *step(struct fix *f)
{
    struct client before[PEOPLE];
    memcpy(before, f->client, sizeof before);
    f->now += 20 * MS;
    begins(f);
    for (uint32_t n = dice(6); n; n--) {
        if (dice(4))
            speak(f, dice(PEOPLE));
        else
            change(f, dice(PEOPLE));
    }
    if (!dice(10)) {
        f = dies(f);
        for (uint32_t i = 0; i < PEOPLE; i++) { /* a client goes on counting; its key is what it was */
            uint32_t counter = f->client[i].counter;
            f->client[i] = before[i];
            if (counter > before[i].counter)
                f->client[i].counter = counter;
        }
        return f;
    }
    commits(f);
    if (!dice(10))
        return dies(f);
    for (uint32_t n = dice(3); n; n--)
        round_out(f);
    if (!dice(10))
        f = dies(f);
    if (!dice(40))
        age(f, dice(PEOPLE));
    return f;
}

static void no_key_meets_the_same_counter_twice(void **state)
{
    struct fix *f = given();
    f->sealed = is_new;
    random_state = 20240229;
    assert_true(map_init(&used, 1u << 16));
    for (unsigned k = 0; k < STEPS; k++) {
        f->told_count = 0;
        f = step(f);
    }
    assert_true(sealed_count > STEPS / 2); /* the test did something */
    map_free(&used);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_key_meets_the_same_counter_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
