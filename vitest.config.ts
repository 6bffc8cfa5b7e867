// Three kinds of tests: `worker` inside workerd with every binding of wrangler.toml and a world (a database on one real
// PostgreSQL, a local Google and GitHub), `node` for scripts and rules about the source, `browser` for flows in a real
// Chromium.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { testKeys } from './test/support/keys.ts'
import { githubClient, googleClient, openTestWorld } from './test/support/test-world.ts'

/** These packages' ES wrappers do not load in the test runner; their CommonJS does. */
function commonJsEntry(name: string): string {
  return join(import.meta.dirname, 'node_modules', name, 'dist', 'index.js')
}

/** The developer's own .dev.vars is read together with wrangler.toml: it must not decide how a test ends. */
function blankDevVars(): Record<string, string> {
  if (!existsSync('.dev.vars')) return {}
  return Object.fromEntries(Object.keys(parseEnv(readFileSync('.dev.vars', 'utf8'))).map((name) => [name, '']))
}

/** The bundle's stand-ins, as wrangler.toml lists them: what is tested is what is deployed. */
function standIns(): Record<string, string> {
  const list = /^\[alias\]\n((?:.+\n)*)/m.exec(readFileSync('wrangler.toml', 'utf8'))?.[1] ?? ''
  return Object.fromEntries(
    [...list.matchAll(/^"?([^"\s]+)"? = "(.+)"$/gm)].map(([, name = '', path = '']) => [
      name,
      join(import.meta.dirname, path),
    ]),
  )
}

const resolve = {
  alias: {
    ...standIns(),
    'pg-protocol': commonJsEntry('pg-protocol'),
    'pg-cloudflare': commonJsEntry('pg-cloudflare'),
  },
}

export default defineConfig({
  // Here as well as in the project: the plugin resolves what the Worker requires with the root's rules.
  resolve,
  test: {
    // The root's set-up runs once for all projects; one that they inherited would run once for each.
    globalSetup: ['./test/support/global-setup.ts'],
    // Many wait: for a provider that is slow, a database that is far.
    maxWorkers: 3,
    coverage: {
      provider: 'istanbul',
      reportOnFailure: true,
      include: ['src/**/*.{ts,tsx}'],
      reporter: ['text', 'html', 'json-summary'],
    },
    projects: [
      {
        resolve,
        plugins: [
          cloudflareTest(async ({ inject }) => {
            const world = await openTestWorld(inject('adminDatabaseUrl'), inject('templateDatabase'))
            return {
              wrangler: { configPath: './wrangler.toml' },
              miniflare: {
                hyperdrives: { HYPERDRIVE: world.proxiedDatabaseUrl },
                bindings: {
                  ...blankDevVars(),
                  ...testKeys,
                  APP_URL: 'http://localhost:8787',
                  APP_NAME: 'Gatepost',
                  GOOGLE_CLIENT_ID: googleClient.clientId,
                  GOOGLE_CLIENT_SECRET: googleClient.clientSecret,
                  GOOGLE_REDIRECT_URI: 'http://localhost:8787/auth/google/callback',
                  GOOGLE_EMULATOR_URL: world.googleUrl,
                  GITHUB_CLIENT_ID: githubClient.clientId,
                  GITHUB_CLIENT_SECRET: githubClient.clientSecret,
                  GITHUB_REDIRECT_URI: 'http://localhost:8787/auth/github/callback',
                  GITHUB_EMULATOR_URL: world.githubUrl,
                  ADMIN_EMAILS: 'admin@gmail.com',
                  FRONTEND_CALLBACK_URL: 'http://localhost:3000/callback',
                  RETURN_URLS: 'http://localhost:3000/other',
                  CORS_ORIGINS: 'http://localhost:3000',
                  MAIL_TRANSPORT: 'console',
                  // Background sync would answer to other tests' cron: the tests of mail turn it on.
                  SYNC_INTERVAL_SECONDS: '0',
                  GMAIL_UNITS_PER_MINUTE: '1000000',
                  TEST_DATABASE_URL: world.databaseUrl,
                  TEST_PROXY_URL: world.proxyUrl,
                },
              },
            }
          }),
        ],
        test: {
          name: 'worker',
          // One workerd and one world for each of those that run at once; fresh-world.ts stands between their files.
          isolate: false,
          setupFiles: ['./test/support/fresh-world.ts', './test/support/held-log.ts'],
          // Vitest's own console waits for an answer to each line. A line of a request that outlives its test is sent with
          // the next message, or never: the run then has no end (decision 0024).
          disableConsoleIntercept: true,
          include: ['test/**/*.test.{ts,tsx}'],
          // A mailbox of 10,000 takes minutes: `npm run trial`.
          exclude: [
            'test/node/**',
            'test/browser/**',
            ...(process.env.MAILBOX_TRIAL === undefined ? ['test/trial/**'] : []),
          ],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: { name: 'node', include: ['test/node/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: { name: 'browser', include: ['test/browser/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 180_000 },
      },
    ],
  },
})
