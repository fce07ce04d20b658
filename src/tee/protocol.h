/* tee/protocol.h - between an enclave and the quoting daemon: a SOCK_SEQPACKET Unix socket, one request a connection.
 *
 *   client  "SCQ1"
 *   daemon  challenge (32 random bytes), or a refusal
 *   client  u8 op | challenge | u16be size, code signature (may be empty) | arguments
 *   daemon  u8 0 | answer        or        u8 error (the negated sc_err) | text
 *
 * Why the challenge: a process could connect, pass the socket to a child and then execute honest code under its own
 * process number.  The daemon measures the peer first, then sends the challenge, and takes the request only when the
 * *sender of that very message* (SCM_CREDENTIALS, filled in by the kernel) is the process that was measured, measures
 * again and finds the same.  Honest code never sends what it did not ask for.
 *
 * Arguments and answers (integers big-endian):
 *   QUOTE            64 bytes of report data          -> the quote
 *   KEY              u8 bind                          -> 32 bytes
 *   COUNTER_READ     u8 bind | u16 size, name         -> u64
 *   COUNTER_ADVANCE  u8 bind | u16 size, name | u64 from | u64 to  -> nothing
 *   IDENTITY         nothing  -> measurement (32) | signer (32) | u32 product | u32 svn | u8 debug | u16 size, why debug
 *                                | u16 count | count * (hash (32) | u16 size, path) */
#ifndef SC_TEE_PROTOCOL_H
#define SC_TEE_PROTOCOL_H

#define TEE_HELLO          "SCQ1"
#define TEE_CHALLENGE_SIZE ((size_t)32)
#define TEE_MESSAGE_MAX    ((size_t)128 << 10)
enum tee_op { TEE_OP_QUOTE = 1, TEE_OP_KEY, TEE_OP_COUNTER_READ, TEE_OP_COUNTER_ADVANCE, TEE_OP_IDENTITY };

#endif
