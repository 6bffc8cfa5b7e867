// A change of names, judged and as parameters of a statement. Pure; whether a user name is free, the database says.

import { admitFullName, admitUsername } from './names.ts'

/** What a change sets: a member left out stays as it is, null clears. */
export interface NameChange {
  readonly username?: string | null | undefined
  readonly fullName?: string | null | undefined
}

export interface NameParams {
  readonly setsUsername: boolean
  readonly username: string | null
  readonly setsFullName: boolean
  readonly fullName: string | null
}

/** Throws 422. */
export function nameParams({ username, fullName }: NameChange): NameParams {
  return {
    setsUsername: username !== undefined,
    username: username == null ? null : admitUsername(username),
    setsFullName: fullName !== undefined,
    fullName: fullName == null ? null : admitFullName(fullName),
  }
}
