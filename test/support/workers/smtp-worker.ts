// A Worker that hands one letter to the SMTP transport and answers with what came of it: for tests in `workerd serve`.
import { createSmtpTransport } from '../../../src/letters/smtp.ts'
import type { OutgoingLetter } from '../../../src/letters/transport.ts'

export default {
  async fetch(request: Request): Promise<Response> {
    const { url, letter } = (await request.json()) as { url: string; letter: OutgoingLetter }
    return Response.json(await createSmtpTransport(url).send(letter))
  },
}
