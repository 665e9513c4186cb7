/**
 * Ceilings on what is read from a package, each with the number of the reference reader.
 *
 * Reference: rpm, lib/header.cc (hdrchk… macros, headerMaxbytes, HEADER_TAGS_MAX)
 */

/** Index entries of the main header. rpm: 65,535. */
export const MAX_HEADER_ENTRIES: number = 0xffff;
/** Bytes of the main header's store. rpm: 256 MiB − 1. */
export const MAX_HEADER_DATA_BYTES: number = 0x0fff_ffff;
/** Index entries of the signature header. rpm: 32. */
export const MAX_SIGNATURE_ENTRIES: number = 32;
/** Bytes of the signature header's store. rpm: 64 MiB. */
export const MAX_SIGNATURE_DATA_BYTES: number = 64 * 1024 * 1024;
/** Values of one entry that is not binary, and so files of one package. rpm: 1,048,575. */
export const MAX_ENTRY_VALUES: number = 0xf_ffff;
/** Uncompressed bytes of a payload that are read before giving up. rpm has no ceiling; ours is 64 GiB unless the caller says. */
export const MAX_PAYLOAD_BYTES: number = 64 * 1024 ** 3;
/**
 * Uncompressed bytes for each compressed byte of a payload, looked at beyond the first 64 MiB out: a small output is no
 * bomb at any ratio. Zeros reach 1,030 through gzip, 6,900 through xz. rpm has no ceiling.
 */
export const MAX_PAYLOAD_RATIO: number = 10_000;
