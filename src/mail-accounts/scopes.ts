// Which permissions a mailbox has and lacks. Granted scopes are what the provider said, never what was asked.

import type { Provider, ProviderCode } from '../providers/provider.ts'

export function splitScopes(text: string): string[] {
  return text.split(' ').filter((scope) => scope !== '')
}

/** The mail permissions that a full mailbox of this provider has and this one was not granted. */
export function missingScopes(
  providers: ReadonlyMap<ProviderCode, Provider>,
  providerCode: string,
  granted: readonly string[],
): string[] {
  const wanted = [...providers.values()].find((provider) => provider.code === providerCode)?.mailScopes ?? []
  return wanted.filter((scope) => !granted.includes(scope))
}
