// The frame of every page: document, header with its sections, main, footer. One style sheet, no script at all.

import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Me } from '../../auth/sessions.sql.ts'
import type { AppContext } from '../context.ts'
import type { Refused } from './form-fields.tsx'
import { BrandMark } from './marks.tsx'

export type Section = 'inbox' | 'mailboxes' | 'settings' | 'admin' | 'docs'

/** Who the header speaks to: a person, somebody with a cookie that was not looked up, or nobody. */
export type Visitor = Me | 'somebody' | null

export interface Frame {
  readonly title: string
  readonly visitor: Visitor
  readonly section?: Section
  /** Narrow for one question or refusal, wide for lists. */
  readonly width?: 'narrow' | 'wide'
  readonly status?: ContentfulStatusCode
  /** What a form of the page was refused for: the status then, and when to come back. */
  readonly refused?: Refused | null
}

const sections = [
  { id: 'inbox', path: '/inbox', label: 'Inbox', isFor: (visitor: Visitor) => visitor !== null },
  { id: 'mailboxes', path: '/mailboxes', label: 'Mailboxes', isFor: (visitor: Visitor) => visitor !== null },
  { id: 'settings', path: '/settings', label: 'Settings', isFor: (visitor: Visitor) => visitor !== null },
  { id: 'admin', path: '/admin/users', label: 'Admin', isFor: isAdmin },
  { id: 'docs', path: '/docs', label: 'API docs', isFor: () => true },
] as const satisfies readonly { id: Section; path: string; label: string; isFor: (visitor: Visitor) => boolean }[]

function isAdmin(visitor: Visitor): boolean {
  return visitor !== null && visitor !== 'somebody' && visitor.role === 'admin'
}

/** Answers with a whole page around `body`. */
export function showPage(c: AppContext, frame: Frame, body: Child): Response | Promise<Response> {
  const { appName } = c.env.deps.settings
  const title = frame.title === appName ? appName : `${frame.title} · ${appName}`
  const document = (
    <html lang="en">
      <DocumentHead title={title} />
      <body>
        <a class="skip-link" href="#content">
          Skip to content
        </a>
        <Header appName={appName} visitor={frame.visitor} section={frame.section ?? null} />
        <main id="content" class={`page ${frame.width ?? 'wide'}`} tabindex={-1}>
          {body}
        </main>
        <Footer appName={appName} />
      </body>
    </html>
  )
  const { refused = null } = frame
  if (refused !== null && refused.retryAfterSeconds !== null) c.header('Retry-After', String(refused.retryAfterSeconds))
  return c.html(html`<!doctype html>${document}`, frame.status ?? refused?.status ?? 200)
}

export const DocumentHead = ({ title, children }: { title: string; children?: Child }) => (
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>{title}</title>
    <link rel="icon" href="/assets/favicon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/assets/style.css" />
    {children}
  </head>
)

interface HeaderProps {
  readonly appName: string
  readonly visitor: Visitor
  readonly section: Section | null
  /** Signing out by a button here, or by a link to its page where the page's policy allows no form. */
  readonly signOutBy?: 'form' | 'link'
}

export const Header = ({ appName, visitor, section, signOutBy = 'form' }: HeaderProps) => (
  <header class="top">
    <div class="top-inner">
      <a class="brand" href="/">
        <BrandMark />
        <span>{appName}</span>
      </a>
      <nav class="sections" aria-label="Main">
        <ul>
          {sections
            .filter(({ isFor }) => isFor(visitor))
            .map(({ id, path, label }) => (
              <li>
                <a href={path} aria-current={section === id ? 'page' : undefined}>
                  {label}
                </a>
              </li>
            ))}
        </ul>
      </nav>
      <Account visitor={visitor} signOutBy={signOutBy} />
    </div>
  </header>
)

const Account = ({ visitor, signOutBy }: { visitor: Visitor; signOutBy: 'form' | 'link' }) =>
  visitor === null ? (
    <div class="account">
      <a class="quiet" href="/sign-in">
        Sign in
      </a>
    </div>
  ) : (
    <div class="account">
      {visitor === 'somebody' ? null : (
        <span class="account-name">
          <span class="sr-only">Signed in as </span>
          {visitor.email}
        </span>
      )}
      {signOutBy === 'link' ? (
        <a class="quiet" href="/sign-out">
          Sign out
        </a>
      ) : (
        <form method="post" action="/sign-out">
          <button class="quiet" type="submit">
            Sign out
          </button>
        </form>
      )}
    </div>
  )

const Footer = ({ appName }: { appName: string }) => (
  <footer class="bottom">
    <p>{appName}</p>
    <ul>
      <li>
        <a href="/docs">Swagger UI</a>
      </li>
      <li>
        <a href="/redoc">ReDoc</a>
      </li>
      <li>
        <a href="/openapi.json">openapi.json</a>
      </li>
    </ul>
  </footer>
)
