// `/admin/users`: everybody, found by part of an address or name. It only reads.

import { whoAmI } from '../../auth/sessions.ts'
import { listUsers, type User, type UserSearch } from '../../users/administration.ts'
import { type AppContext, originOf } from '../context.ts'
import { presentList, readCursor } from '../routes/shapes.ts'
import {
  Cell,
  FilterActions,
  NextPage,
  RecordName,
  RecordRow,
  Records,
  readFilter,
  showAdminPage,
} from './admin-frame.tsx'
import { Moment, Notice } from './parts.tsx'
import { requireClaim } from './signed-in.ts'
import { RoleBadge, StateBadge, userTitle } from './user-badges.tsx'

const usersAPage = 25
const path = '/admin/users'

const choices = [
  { value: '', label: 'Everybody', role: null, isActive: null },
  { value: 'admins', label: 'Administrators', role: 'admin', isActive: null },
  { value: 'disabled', label: 'Disabled', role: null, isActive: false },
] as const satisfies readonly ({ value: string; label: string } & Omit<UserSearch, 'text'>)[]

/** GET /admin/users `?q=&show=&cursor=&done=` */
export async function adminUsersPage(c: AppContext): Promise<Response> {
  const { deps } = c.env
  const claim = await requireClaim(c)
  const q = readFilter(c, 'q')
  const choice = choices.find(({ value }) => value === c.req.query('show')) ?? choices[0]
  const search = { text: q === '' ? null : q, role: choice.role, isActive: choice.isActive }
  const page = { before: readCursor(c.req.query('cursor')), limit: usersAPage + 1 }
  const [me, rows] = await Promise.all([whoAmI(deps.db, claim), listUsers(deps.db, claim, search, page, originOf(c))])
  const { items, next_cursor } = presentList(rows, usersAPage, (row) => row)
  const isFiltered = q !== '' || choice.value !== ''
  return showAdminPage(
    c,
    { title: 'Users', me, path },
    <>
      {c.req.query('done') === 'deleted' ? <Notice tone="good" title="The user was deleted." /> : null}
      <div class="page-head">
        <h1>Users</h1>
      </div>
      <search>
        <form method="get" action={path} class="filters">
          <div class="field">
            <label for="filter-q">Address or name</label>
            <input id="filter-q" name="q" type="search" value={q} maxlength={200} autocomplete="off" />
          </div>
          <div class="field">
            <label for="filter-show">Show</label>
            <select id="filter-show" name="show">
              {choices.map(({ value, label }) => (
                <option value={value} selected={value === choice.value}>
                  {label}
                </option>
              ))}
            </select>
          </div>
          <FilterActions path={path} label="Search" isFiltered={isFiltered} />
        </form>
      </search>
      {items.length === 0 ? (
        <p class="card empty soft">{isFiltered ? 'Nobody fits this search.' : 'There is nobody yet.'}</p>
      ) : (
        <UserTable users={items} ownId={me.id} now={deps.clock()} />
      )}
      <NextPage path={path} query={{ q, show: choice.value }} cursor={next_cursor} />
    </>,
  )
}

const columns = ['Person', 'User name', 'Role', 'State', 'Joined'] as const

const UserTable = ({ users, ownId, now }: { users: readonly User[]; ownId: string; now: Date }) => (
  <Records caption="Users, newest first" columns={columns}>
    {users.map((user) => (
      <RecordRow>
        <RecordName>
          <a class="address" href={`${path}/${user.id}`}>
            {userTitle(user)}
          </a>
          {user.id === ownId ? ' (you)' : null}
          {user.fullName === null ? null : <span class="moment address">{user.email}</span>}
        </RecordName>
        <Cell name="User name">
          {user.username === null ? <span class="soft">None</span> : <span class="address">{user.username}</span>}
        </Cell>
        <Cell name="Role">
          <RoleBadge user={user} />
        </Cell>
        <Cell name="State">
          <StateBadge user={user} />
        </Cell>
        <Cell name="Joined">
          <Moment at={user.createdAt} now={now} />
        </Cell>
      </RecordRow>
    ))}
  </Records>
)
