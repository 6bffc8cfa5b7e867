// A refusal as a page. (Draft: the pages' layout replaces it.)

import { type AppError, refusals } from '../../errors.ts'
import type { AppContext } from '../context.ts'

export function refusalPage(c: AppContext, error: AppError): Response | Promise<Response> {
  const { title, detail } = refusals[error.code]
  return c.html(
    <p>
      {title}: {detail}
    </p>,
    error.status,
  )
}
