// /openapi.json, the two viewers over it, our public keys, and static files. Everything from our own origin.

import type { Hono } from 'hono'
import type { AppContext, AppEnv } from '../context.ts'
import { buildDocument, type Resource } from '../openapi.ts'
import { redocPage, swaggerPage } from '../pages/document-viewers.tsx'

/** The version of the contract, not of the code. */
const contractVersion = '1.0.0'

export function mountDocuments(app: Hono<AppEnv>, resources: readonly Resource[]): void {
  // Made when first asked for, once an isolate: the contracts do not change.
  let document: string | null = null
  app.get('/openapi.json', (c) => {
    const { settings, appUrl } = c.env.deps
    document ??= JSON.stringify(
      buildDocument(resources, { title: settings.appName, version: contractVersion, serverUrl: appUrl }),
    )
    return c.body(document, 200, {
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'public, max-age=300',
      'Access-Control-Allow-Origin': '*',
    })
  })
  app.get('/docs', (c) => swaggerPage(c))
  app.get('/redoc', (c) => redocPage(c))
  app.get('/.well-known/jwks.json', (c) => {
    c.header('Cache-Control', 'public, max-age=300')
    c.header('Access-Control-Allow-Origin', '*')
    return c.json(c.env.deps.signingKeys.publicJwks)
  })
  app.get('/assets/*', serveAsset)
  app.get('/favicon.ico', serveAsset)
}

async function serveAsset(c: AppContext): Promise<Response> {
  const url = new URL(c.req.url)
  const path = url.pathname === '/favicon.ico' ? '/assets/favicon.svg' : url.pathname
  const found = await c.env.deps.assets.fetch(new Request(new URL(path, url.origin), { method: 'GET' }))
  if (found.status !== 200) {
    await found.body?.cancel()
    return c.notFound()
  }
  const headers = new Headers({
    'Content-Type': found.headers.get('Content-Type') ?? 'application/octet-stream',
    'Cache-Control': 'public, max-age=3600',
  })
  const etag = found.headers.get('ETag')
  if (etag !== null) headers.set('ETag', etag)
  return new Response(found.body, { status: 200, headers })
}
