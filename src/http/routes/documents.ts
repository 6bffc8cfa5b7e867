// /openapi.json, the two viewers over it, our public keys, and static files. Everything from our own origin.

import type { Hono } from 'hono'
import { etag } from 'hono/etag'
import * as z from 'zod'
import type { AppContext, AppEnv } from '../context.ts'
import { declare, type Resource } from '../declare.ts'
import { buildDocument } from '../openapi.ts'
import { redocPage, swaggerPage } from '../pages/document-viewers.tsx'

/** The version of the contract, not of the code. */
export const contractVersion = '1.0.0'

const publicFor5Minutes = { 'Cache-Control': 'public, max-age=300', 'Access-Control-Allow-Origin': '*' }

const jwksSchema = z.object({
  keys: z.array(
    z.object({
      kty: z.literal('EC'),
      crv: z.literal('P-256'),
      x: z.string(),
      y: z.string(),
      kid: z.string(),
      alg: z.literal('ES256'),
      use: z.literal('sig'),
    }),
  ),
})

/** `resources` is read when the document is first asked for: what is declared later is in it too. */
export function declareDocuments(root: Resource, resources: readonly Resource[]): void {
  // Once an isolate: the contracts do not change, and settings only with the isolate (tests apart).
  let made: { readonly serverUrl: string; readonly text: string } | null = null

  root.router.use('/openapi.json', etag())
  declare(
    root,
    {
      method: 'get',
      path: '/openapi.json',
      operationId: 'openApiDocument',
      summary: 'This document',
      tag: 'Documents',
      audience: 'anyone',
      answers: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
    },
    async (c) => {
      const { settings, appUrl: serverUrl } = c.env.deps
      if (made?.serverUrl !== serverUrl) {
        const info = { title: settings.appName, version: contractVersion, serverUrl }
        made = { serverUrl, text: JSON.stringify(buildDocument(resources, info)) }
      }
      return c.body(made.text, 200, { 'Content-Type': 'application/json', ...publicFor5Minutes })
    },
  )

  declare(
    root,
    {
      method: 'get',
      path: '/.well-known/jwks.json',
      operationId: 'publicKeys',
      summary: 'The public keys that verify our access tokens (RFC 7517)',
      tag: 'Documents',
      audience: 'anyone',
      answers: { 200: { description: 'A JWK set', schema: jwksSchema } },
    },
    async (c) => c.json(c.env.deps.signingKeys.publicJwks, 200, publicFor5Minutes),
  )
}

/** The viewers and static files: for browsers, so they are not part of the contract. */
export function mountViewers(app: Hono<AppEnv>): void {
  app.get('/docs', (c) => swaggerPage(c))
  app.get('/redoc', (c) => redocPage(c))
  app.get('/assets/*', serveAsset)
  app.get('/favicon.ico', serveAsset)
}

async function serveAsset(c: AppContext): Promise<Response> {
  const url = new URL(c.req.url)
  const path = url.pathname === '/favicon.ico' ? '/assets/favicon.svg' : url.pathname
  const known = c.req.header('If-None-Match')
  const found = await c.env.deps.assets.fetch(
    new Request(new URL(path, url.origin), known === undefined ? {} : { headers: { 'If-None-Match': known } }),
  )
  if (found.status !== 200 && found.status !== 304) {
    await found.body?.cancel()
    return c.notFound()
  }
  const headers = new Headers({ 'Cache-Control': 'public, max-age=3600' })
  for (const name of ['Content-Type', 'ETag']) {
    const value = found.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  return new Response(found.body, { status: found.status, headers })
}
