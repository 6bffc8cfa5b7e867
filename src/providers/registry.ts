// Which providers this deployment offers: one line each. One that is not configured is not here.

import { createGithub, type GithubSettings } from './github.ts'
import { createGoogle } from './google.ts'
import type { Provider, ProviderClient, ProviderCode, ProviderDeps } from './provider.ts'

export interface ProviderSettings {
  readonly google: { readonly client: ProviderClient; readonly emulatorUrl: string | null } | null
  readonly github: GithubSettings | null
}

/** The configured providers by code. */
export function createProviders(deps: ProviderDeps, settings: ProviderSettings): ReadonlyMap<ProviderCode, Provider> {
  const providers = [
    settings.google === null ? null : createGoogle(deps, settings.google),
    settings.github === null ? null : createGithub(deps, settings.github),
  ]
  return new Map(providers.flatMap((provider) => (provider === null ? [] : [[provider.code, provider]])))
}
