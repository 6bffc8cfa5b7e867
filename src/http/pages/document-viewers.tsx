// Draft.

import type { AppContext } from '../context.ts'

export function swaggerPage(c: AppContext): Response | Promise<Response> {
  return c.html(<div id="swagger-ui" />)
}

export function redocPage(c: AppContext): Response | Promise<Response> {
  return c.html(<div id="redoc" />)
}
