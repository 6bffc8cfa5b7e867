// `/docs` and `/redoc`: the two viewers over /openapi.json, from files of our own origin. The only pages with script, and
// none of it inline; they ask the database nothing.

import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { AppContext } from '../context.ts'
import { sessionCookieClaim } from '../cookies.ts'
import { DocumentHead, Header } from './layout.tsx'

export function swaggerPage(c: AppContext): Promise<Response> {
  return viewer(
    c,
    'API docs',
    <link rel="stylesheet" href="/assets/swagger-ui/swagger-ui.css" />,
    <>
      <div id="swagger-ui" />
      <script src="/assets/swagger-ui/swagger-ui-bundle.js" />
      <script src="/assets/docs.js" />
    </>,
  )
}

export function redocPage(c: AppContext): Promise<Response> {
  return viewer(
    c,
    'API reference',
    null,
    <>
      <div id="redoc" />
      <script src="/assets/redoc/redoc.standalone.js" />
      <script src="/assets/redoc.js" />
    </>,
  )
}

async function viewer(c: AppContext, title: string, styles: Child, body: Child): Promise<Response> {
  const { appName } = c.env.deps.settings
  const hasCookie = (await sessionCookieClaim(c)) !== null
  const document = (
    <html lang="en">
      <DocumentHead title={`${title} · ${appName}`}>{styles}</DocumentHead>
      <body class="viewer">
        <a class="skip-link" href="#content">
          Skip to content
        </a>
        <Header appName={appName} visitor={hasCookie ? 'somebody' : null} section="docs" signOutBy="link" />
        <main id="content" tabindex={-1}>
          <h1 class="sr-only">{title}</h1>
          <noscript>
            <p class="viewer-noscript">
              This viewer needs JavaScript. The contract itself is at <a href="/openapi.json">openapi.json</a>.
            </p>
          </noscript>
          {body}
        </main>
      </body>
    </html>
  )
  return c.html(html`<!doctype html>${document}`)
}
