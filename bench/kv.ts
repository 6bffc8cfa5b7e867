// A KV namespace behind workerd's own KV binding: an HTTP request over a socket each, as in production, though not across
// a network. The Worker under test and the KV control use this same one. Keeps the newest 5,000 keys.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const keptKeys = 5_000

export async function startKv(): Promise<{ readonly port: number }> {
  const values = new Map<string, string>()
  const server = createServer((request, response) => {
    const key = (request.url ?? '').split('?')[0] ?? ''
    const value = values.get(key)
    if (request.method === 'GET') {
      response.writeHead(value === undefined ? 404 : 200, { 'content-length': Buffer.byteLength(value ?? '') })
      response.end(value)
      return
    }
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => {
      values.delete(key)
      if (request.method === 'PUT') values.set(key, text)
      const [oldest] = values.keys()
      if (values.size > keptKeys && oldest !== undefined) values.delete(oldest)
      response.writeHead(200, { 'content-length': 0 }).end()
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port }
}
