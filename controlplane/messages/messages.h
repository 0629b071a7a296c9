/*
 * Messages: what a body must be to become one, what it mentions, and the events it makes.
 * (reference/rest.md 6.1, 6.2, 7.) Checks content against the protocol's limits; leaves who may do what to
 * REST, and lasting to the store. SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_MESSAGES_H
#define VOXPOP_MESSAGES_H

#include "controlplane/guilds/model.h"

#include <jansson.h>

#define MESSAGE_CONTENT_MAX   2000 /* code points */
#define MESSAGE_EMBEDS_MAX    10
#define MESSAGE_MENTIONS_MAX  100
#define MESSAGE_NONCE_MAX     25              /* characters */
#define MESSAGE_NONCE_MS      (3 * 60 * 1000) /* enforce_nonce looks back this far */
#define MESSAGE_FLAG_SUPPRESS 4u              /* SUPPRESS_EMBEDS */
#define MESSAGE_FLAGS_SENT                                                                                   \
    (4u | 4096u) /* a sender may set these: SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS                          \
                  */
#define EMOJI_TEXT_MAX 128

/* What is wrong with a body; field NULL: nothing to blame but the whole. */
struct message_fault {
    int code;            /* 50035, 50006 */
    const char *field;   /* "content" */
    const char *reason;  /* "BASE_TYPE_MAX_LENGTH" */
    const char *message; /* a sentence */
};

/* Fills m (ids apart) from a POST body. `may` is what the author may do there. */
bool message_compose(struct message *m, bool *enforce_nonce, bool *reference_optional,
                     const struct model *model, const struct guild_state *g, uint64_t may, const json_t *body,
                     struct message_fault *fault);
/* Fills an edit operation from a PATCH body. */
bool message_revise(struct store_op *op, const struct model *model, const struct guild_state *g, uint64_t may,
                    const json_t *body, struct message_fault *fault);

/* Unicode characters of valid UTF-8. */
size_t text_code_points(const char *text);

/* Mentions in m->content, as far as `allowed` (allowed_mentions, or NULL) and `may` let them. */
void message_mentions(struct message *m, const struct model *model, const struct guild_state *g, uint64_t may,
                      const json_t *allowed, uint64_t replied_author);

/* Decodes an emoji of a path into text: percent-encoded unicode or name:id. False: not an emoji. */
bool emoji_decode(const char *path, size_t length, char text[EMOJI_TEXT_MAX]);

#endif
