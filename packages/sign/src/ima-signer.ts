/** An IMA signer from a private key file, by Node's own cryptography. */
import { constants, createHash, createPrivateKey, createPublicKey, type KeyObject, privateEncrypt } from 'node:crypto';
import { concatBytes } from './bytes.js';
import { SignError } from './errors.js';
import { digestInfoPrefix } from './hash.js';
import type { ImaSigner } from './ima.js';

/**
 * A signer from an RSA private key in PEM. Throws SIGN_BAD_KEY for anything else: the kernels of EL take RSA everywhere,
 * other keys only lately.
 */
export function imaSigner(pem: string | Uint8Array, passphrase?: string): ImaSigner {
  let key: KeyObject;
  try {
    const text = typeof pem === 'string' ? pem : Buffer.from(pem);
    key = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // Node's message could quote the input.
    throw badKey('a private key in PEM', 'something else, or a locked one');
  }
  if (key.asymmetricKeyType !== 'rsa') throw badKey('an RSA key', key.asymmetricKeyType ?? 'another one');
  const open = createPublicKey(key).export({ format: 'der', type: 'pkcs1' });
  const numbers = { sha256: 8, sha384: 9, sha512: 10 } as const;
  return {
    keyId: createHash('sha1').update(open).digest('hex').slice(-8),
    sign: async ({ hash, digest }) => {
      const block = concatBytes(digestInfoPrefix(numbers[hash])!, digest);
      return new Uint8Array(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, block));
    },
  };
}

function badKey(wanted: string, found: string): SignError {
  return new SignError({ code: 'SIGN_BAD_KEY', wanted, found }, `IMA key: wanted ${wanted}, found ${found}`);
}
