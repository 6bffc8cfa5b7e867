// The argon2 of `@phi-ag/argon2`, called directly: its own wrapper gives the C code the number of UTF-16 units where that
// counts bytes, so everything beyond ASCII would be cut short (`éééé1234` would be `éééé`). Pure; it knows no policy.

import wasm from '@phi-ag/argon2/argon2.wasm'

/** RFC 9106 §3.1. */
export interface Argon2Parameters {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
}

interface Argon2Module {
  readonly memory: WebAssembly.Memory
  malloc(bytes: number): number
  free(pointer: number): void
  argon2_hash(...figures: readonly number[]): number
  _initialize(): void
}

const ARGON2ID = 2
const VERSION_13 = 0x13
/** Memory never shrinks: an instance that grew beyond this is left to the garbage collector. */
const KEPT_BYTES = 24 * 1_024 * 1_024

// One an isolate, made when it is first needed; calls are synchronous, so no two share it at a time.
let kept: Argon2Module | null = null

function open(): Argon2Module {
  if (kept !== null) return kept
  const opened = new WebAssembly.Instance(wasm).exports as unknown as Argon2Module
  opened._initialize()
  kept = opened
  return opened
}

/**
 * The argon2id tag, version 0x13, without secret or associated data (the module takes none). Synchronous: about 20 ms
 * and 19 MB at m=19456, t=2.
 * @throws RangeError where the parameters are none of argon2's or memory is short
 */
export function argon2id(
  password: Uint8Array,
  salt: Uint8Array,
  tagBytes: number,
  { memoryKib, passes, lanes }: Argon2Parameters,
): Uint8Array {
  const argon2 = open()
  const size = password.length + salt.length + tagBytes
  const at = argon2.malloc(size)
  if (at === 0) throw new RangeError('argon2 has no memory left')
  const [saltAt, tagAt] = [at + password.length, at + password.length + salt.length]
  try {
    const before = new Uint8Array(argon2.memory.buffer, at, size)
    before.set(password)
    before.set(salt, password.length)
    // t, m, p, password, salt, tag, no encoded string, type, version: `argon2_hash` of the reference implementation.
    const inputs = [at, password.length, saltAt, salt.length, tagAt, tagBytes, 0, 0]
    const code = argon2.argon2_hash(passes, memoryKib, lanes, ...inputs, ARGON2ID, VERSION_13)
    if (code !== 0) throw new RangeError(`argon2 refused its parameters (${code})`)
    return new Uint8Array(argon2.memory.buffer, tagAt, tagBytes).slice()
  } finally {
    // The buffer may have been replaced as memory grew.
    new Uint8Array(argon2.memory.buffer, at, size).fill(0)
    argon2.free(at)
    if (argon2.memory.buffer.byteLength > KEPT_BYTES) kept = null
  }
}
