// Which admin page stands where. The rules that all pages share are set by routes.tsx.

import type { Hono } from 'hono'
import type { AppEnv } from '../context.ts'
import { adminAuditPage } from './admin-audit-page.tsx'
import { adminMailboxesPage } from './admin-mailboxes-page.tsx'
import { adminUserPage, changeUser, deleteUserByForm, deleteUserPage } from './admin-user-page.tsx'
import { adminUsersPage } from './admin-users-page.tsx'
import { changeKeys, keysPage } from './keys-page.tsx'
import { revokeKeyPage } from './revoke-key-page.tsx'

export function mountAdminPages(app: Hono<AppEnv>): void {
  app.get('/admin', (c) => c.redirect('/admin/users', 303))
  app.get('/admin/users', adminUsersPage)
  app.get('/admin/users/:id', adminUserPage)
  app.post('/admin/users/:id', changeUser)
  app.get('/admin/users/:id/delete', deleteUserPage)
  app.post('/admin/users/:id/delete', deleteUserByForm)
  app.get('/admin/mailboxes', adminMailboxesPage)
  app.get('/admin/keys', keysPage)
  app.post('/admin/keys', changeKeys)
  app.get('/admin/keys/:id/revoke', revokeKeyPage)
  app.get('/admin/audit', adminAuditPage)
}
