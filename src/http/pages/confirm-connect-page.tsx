// Draft.

import type { AppContext } from '../context.ts'

export function confirmConnectPage(c: AppContext): Response | Promise<Response> {
  return c.html(
    <p>
      <a href={c.req.url}>Connect</a>
    </p>,
  )
}
