// Serves the example front end at http://localhost:3000 (`EXAMPLE_PORT`), for the Gatepost at `GATEPOST_URL`.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'

const port = Number(process.env.EXAMPLE_PORT ?? 3000)
const gatepostUrl = process.env.GATEPOST_URL ?? 'http://localhost:8787'
const files: Readonly<Record<string, readonly [name: string, mediaType: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/callback': ['index.html', 'text/html; charset=utf-8'],
  '/gatepost.js': ['gatepost.js', 'text/javascript; charset=utf-8'],
}

createServer(async (request, response) => {
  const file = files[request.url?.split('?')[0] ?? '/']
  if (file === undefined) return void response.writeHead(404).end()
  const [name, mediaType] = file
  response.writeHead(200, { 'Content-Type': mediaType, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' })
  const text = await readFile(join(import.meta.dirname, name), 'utf8')
  response.end(text.replace('content="http://localhost:8787"', `content="${gatepostUrl}"`))
}).listen(port, () => console.log(`open http://localhost:${port}`))
