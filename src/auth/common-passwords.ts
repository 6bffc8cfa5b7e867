// The passwords that attackers try first: a static asset made from the npm package's list (scripts/assets.ts), read once
// an isolate (docs/decisions/0027-common-passwords.md). It must not know what a password is wanted for.

import { AppError } from '../errors.ts'

export interface AssetDeps {
  /** The static files of this deployment. */
  readonly assets: { fetch(address: string): Promise<Response> }
}

// The host does not matter: the binding reads the path only.
const address = 'https://assets.local/assets/common-passwords.txt'
/** A list shorter than this is none: an error page, or half a file. */
const leastCharacters = 100_000

// Text, not a promise: a promise belongs to the request that made it.
let kept: string | null = null

/** Whether it is on the list, in whatever case. Throws 503 where the list cannot be read: nothing is let through unjudged. */
export async function isCommonPassword(deps: AssetDeps, password: string): Promise<boolean> {
  kept ??= await readList(deps)
  return !password.includes('\n') && kept.includes(`\n${password.toLowerCase()}\n`)
}

async function readList(deps: AssetDeps): Promise<string> {
  try {
    const answer = await deps.assets.fetch(address)
    const text = await answer.text()
    if (answer.status === 200 && text.length >= leastCharacters && text.startsWith('\n') && text.endsWith('\n'))
      return text
  } catch (thrown) {
    throw new AppError('unavailable', { cause: thrown })
  }
  throw new AppError('unavailable')
}
