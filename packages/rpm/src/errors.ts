/**
 * Errors of all five packages, and the faults of this one.
 *
 * An error is thrown for damaged or hostile input and for a failed world. A negative answer to a
 * question is a value in a report; the caller's own mistake is a TypeError or RangeError.
 */

/**
 * An error that carries a fault: a plain record whose literal `code` decides its other fields.
 *
 * Match on `code`: it works even when two copies of a package are installed, where `instanceof` does not.
 * The message is for people and may change.
 */
export abstract class CodedError<Fault extends { readonly code: string }> extends Error {
  readonly fault: Fault;
  constructor(fault: Fault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.fault = fault;
  }
  get code(): Fault['code'] {
    return this.fault.code;
  }
}

/** The part of a package in which something was found. Offsets count from the part's first byte unless said otherwise. */
export type RpmSection = 'lead' | 'signature header' | 'header' | 'payload' | 'elf';

/** What can be wrong with a package, or with the bytes it is read from. */
export type RpmFault =
  | {
      readonly code: 'RPM_TRUNCATED';
      readonly section: RpmSection | 'source';
      /** Bytes from the start of the section. */
      readonly offset: number;
      readonly wantedBytes: number;
      readonly gotBytes: number;
    }
  | {
      readonly code: 'RPM_BAD_MAGIC';
      readonly section: RpmSection;
      readonly offset: number;
      /** Hexadecimal. */
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'RPM_BAD_ENTRY' | 'RPM_BAD_REGION';
      readonly section: RpmSection;
      /** Bytes from the start of the header structure. */
      readonly offset: number;
      readonly tag: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'RPM_LIMIT';
      /** What was counted, for instance `header data bytes`. */
      readonly what: string;
      readonly limit: number;
      readonly found: number;
    }
  | {
      readonly code: 'RPM_TAG_TYPE';
      readonly tag: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The header lacks what every package must have, or two tags contradict each other. */
      readonly code: 'RPM_BAD_HEADER' | 'RPM_BAD_FILE_LIST' | 'RPM_BAD_DEPENDENCY' | 'RPM_BAD_SCRIPTLET';
      readonly tag: string;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      readonly code: 'RPM_BAD_NEVRA' | 'RPM_BAD_EVR';
      readonly text: string;
      readonly wanted: string;
    }
  | {
      readonly code: 'RPM_BAD_PAYLOAD';
      readonly section: 'payload';
      /** Bytes from the start of the uncompressed archive, or of the compressed payload when a codec found the fault. */
      readonly offset: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** No codec for this compressor on this machine. */
      readonly code: 'RPM_NO_CODEC';
      readonly compressor: string;
      readonly task: 'compress' | 'decompress';
    }
  | {
      readonly code: 'RPM_BAD_PATH';
      readonly path: string;
      readonly wanted: string;
    }
  | {
      readonly code: 'RPM_BAD_ELF';
      readonly section: 'elf';
      readonly offset: number;
      readonly wanted: string;
      readonly found: string;
    }
  | {
      /** The place that bytes come from or go to failed; `cause` says how. */
      readonly code: 'RPM_SOURCE_FAILED';
      readonly source: string;
      readonly wanted: string;
      readonly found: string;
    };

/** Damaged or hostile input to `@distrokit/rpm`, or a byte source that failed. */
export class RpmError extends CodedError<RpmFault> {}

/**
 * A string from input, fit for a message: quoted, control characters escaped, cut to `maxLength` characters.
 */
export function quote(text: string, maxLength = 80): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return JSON.stringify(cut);
}
