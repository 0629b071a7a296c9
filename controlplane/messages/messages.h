/*
 * Messages: what a body must be to become one, and what it mentions. (reference/rest.md 6.1, 7.) Checks
 * content against the protocol's limits; leaves who may do what to REST, and lasting to the store.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_MESSAGES_H
#define VOXPOP_MESSAGES_H

#include "controlplane/guilds/model.h"

#include <jansson.h>

#define MESSAGE_CONTENT_MAX 2000 /* code points */
#define MESSAGE_EMBEDS_MAX  10
#define EMBED_TITLE_MAX     256  /* code points */
#define EMBED_TEXT_MAX      4096 /* code points */
#define EMBED_FIELDS_MAX    25
#define MENTIONS_MAX        100
#define NONCE_MAX           25              /* code points */
#define NONCE_MS            (3 * 60 * 1000) /* enforce_nonce looks back this far */
#define MESSAGE_FLAGS_SENT                                                                                   \
    (4u | 4096u)               /* a sender may set these: SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS            \
                                */
#define MESSAGE_FLAGS_EDIT  4u /* and an editor this */
#define EMOJI_TEXT_MAX      128
#define ATTACHMENTS_MAX     10
#define ATTACHMENT_NAME_MAX 100

/* What is wrong with a body. */
struct message_fault {
    int code;           /* 50035, or 50006: empty */
    const char *field;  /* "content" */
    const char *reason; /* "BASE_TYPE_BAD_LENGTH" */
    const char *text;   /* a sentence */
};

/*
 * Fills op->message (but for id, channel and author) and the options of a creation from a POST body. `may` is
 * what the author may do in the channel. False: the fault is filled.
 */
bool message_compose(struct store_op *op, const struct model *m, const struct guild_state *g, uint64_t may,
                     const json_t *body, struct message_fault *fault);
/* Fills the edited fields of an edit from a PATCH body. */
bool message_revise(struct store_op *op, const struct model *m, const struct guild_state *g, uint64_t may,
                    const json_t *body, struct message_fault *fault);

/*
 * The body's "attachments" about op->message's files: their names and descriptions, and in an edit which of
 * the message's own stay.
 */
bool message_attachments(struct store_op *op, const json_t *body, bool edit, struct message_fault *fault);
/* A name for a file in a path, a header and a list: letters, digits, '.', '-' and '_'. To be freed. */
char *attachment_name(const char *given);

/* Unicode characters of valid UTF-8. */
size_t text_code_points(const char *text);

/* Sets the mentions of to->content, as far as `allowed` (allowed_mentions, or NULL) and `may` let them. */
void message_mentions(struct message *to, const struct model *m, const struct guild_state *g, uint64_t may,
                      const json_t *allowed);

/* Decodes percent-encoding into text with a NUL; false when it is broken, empty, too long or has control
 * characters. */
bool percent_decode(const char *in, size_t length, char *out, size_t size);
/* A percent-encoded emoji of a path: unicode text, or name:id. False: not an emoji. */
bool emoji_decode(const char *path, size_t length, char text[EMOJI_TEXT_MAX]);

#endif
