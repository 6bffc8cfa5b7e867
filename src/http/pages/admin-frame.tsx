// What the pages under `/admin` share: the way between them, and tables that become cards on a phone.

import type { Child } from 'hono/jsx'
import type { Me } from '../../auth/sessions.sql.ts'
import type { AppContext } from '../context.ts'
import { type Frame, showPage } from './layout.tsx'
import { Tabs } from './parts.tsx'

const places = [
  { path: '/admin/users', label: 'Users' },
  { path: '/admin/mailboxes', label: 'Mailboxes' },
  { path: '/admin/keys', label: 'Service keys' },
  { path: '/admin/audit', label: 'Audit trail' },
] as const

export type AdminPath = (typeof places)[number]['path']

/** A whole page for an admin; a question that stands alone (narrow) has no tabs. Who is one, the verbs said before. */
export function showAdminPage(
  c: AppContext,
  frame: Omit<Frame, 'visitor' | 'section'> & { readonly me: Me; readonly path: AdminPath },
  body: Child,
): Response | Promise<Response> {
  const { me, path, ...rest } = frame
  return showPage(
    c,
    { ...rest, visitor: me, section: 'admin' },
    <>
      {rest.width === 'narrow' ? null : <Tabs label="Admin" places={places} path={path} kind="admin-tabs" />}
      {body}
    </>,
  )
}

// Spread, since written out they look redundant, and are not (see below).
const roles = {
  table: { role: 'table' },
  rowgroup: { role: 'rowgroup' },
  row: { role: 'row' },
  columnheader: { role: 'columnheader' },
  rowheader: { role: 'rowheader' },
  cell: { role: 'cell' },
} as const

/**
 * A table whose rows stand as cards on a phone. Displayed as blocks a table would lose its meaning for those who hear
 * it, so its roles are spelled out.
 */
export const Records = ({
  caption,
  columns,
  children,
}: {
  caption: string
  columns: readonly string[]
  children?: Child
}) => (
  <div class="records-frame">
    <table class="records" {...roles.table}>
      <caption class="sr-only">{caption}</caption>
      <thead {...roles.rowgroup}>
        <tr {...roles.row}>
          {columns.map((column) => (
            <th scope="col" {...roles.columnheader}>
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody {...roles.rowgroup}>{children}</tbody>
    </table>
  </div>
)

export const RecordRow = ({ children }: { children?: Child }) => <tr {...roles.row}>{children}</tr>

/** The cell that names the row. */
export const RecordName = ({ children }: { children?: Child }) => (
  <th scope="row" {...roles.rowheader}>
    {children}
  </th>
)

/** On a phone its column's name stands before it; the heading says it where there is one. */
export const Cell = ({ name, children }: { name: string; children?: Child }) => (
  <td data-label={name} {...roles.cell}>
    {children}
  </td>
)

/** The buttons of a filter: ask, and where something is asked for, ask for nothing. */
export const FilterActions = ({ path, label, isFiltered }: { path: AdminPath; label: string; isFiltered: boolean }) => (
  <div class="actions">
    <button class="button primary" type="submit">
      {label}
    </button>
    {isFiltered ? (
      <a class="button" href={path}>
        Clear
      </a>
    ) : null}
  </div>
)

/** The next page of a filtered list; nothing where it ends. */
export const NextPage = ({
  path,
  query,
  cursor,
}: {
  path: string
  query: Readonly<Record<string, string>>
  cursor: string | null
}) =>
  cursor === null ? null : (
    <nav class="older" aria-label="More">
      <a class="button" href={withQuery(path, { ...query, cursor })}>
        Show older
      </a>
    </nav>
  )

/** A path of ours with what is not empty of `query`. */
export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const wanted = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ''))
  return wanted.size === 0 ? path : `${path}?${wanted}`
}

/** What of an address's query is used to filter, as it was typed: at most 200 characters, no control characters. */
export function readFilter(c: AppContext, name: string): string {
  // PostgreSQL takes no NUL, and nobody searches for the others.
  return [...(c.req.query(name) ?? '')]
    .filter((letter) => letter >= ' ')
    .slice(0, 200)
    .join('')
    .trim()
}
