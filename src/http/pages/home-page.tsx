// `/`: what this is, the way in, and where the documents are. Works for anybody; a live session only adds a name.

import type { AppContext } from '../context.ts'
import { showPage } from './layout.tsx'
import { offeredProviders, SignInButtons } from './provider-links.tsx'
import { personOrNobody } from './signed-in.ts'

export async function homePage(c: AppContext): Promise<Response> {
  const { settings } = c.env.deps
  const me = await personOrNobody(c)
  return showPage(
    c,
    { title: settings.appName, visitor: me },
    <>
      <div class="hero">
        <div class="hero-words">
          <h1>Your mailbox keys, kept safe and always fresh</h1>
          <p class="lead">
            {settings.appName} signs people in with a password, Google or GitHub, keeps the tokens of their mailboxes
            encrypted and renewed, hands your backend a valid one whenever it asks, and brings the mail itself into your
            own database.
          </p>
          {me === null ? (
            <>
              <SignInButtons providers={offeredProviders(c.env.deps)} />
              <p class="soft">
                Or <a href="/sign-in">sign in with a password</a>
                {settings.mail === null ? null : (
                  <>
                    , or <a href="/register">create an account</a>
                  </>
                )}
                .
              </p>
            </>
          ) : (
            <div class="hero-signed-in">
              <p>
                You are signed in as <strong>{me.email}</strong>.
              </p>
              <p class="actions">
                <a class="button primary" href="/inbox">
                  Go to your inbox
                </a>
                <a class="button" href="/mailboxes">
                  Go to your mailboxes
                </a>
              </p>
            </div>
          )}
        </div>
        <VendExample />
      </div>
      <section class="steps" aria-labelledby="steps-title">
        <h2 id="steps-title">How it works</h2>
        <ol>
          <li>
            <h3>Connect</h3>
            <p>A person signs in and decides what is shared: reading mail, sending it, both or neither.</p>
          </li>
          <li>
            <h3>Keep</h3>
            <p>Tokens are sealed before they are stored, and renewed minutes before they end.</p>
          </li>
          <li>
            <h3>Hand out</h3>
            <p>A backend shows its service key and gets a live token. Each hand-out leaves a trace.</p>
          </li>
          <li>
            <h3>Read and answer</h3>
            <p>Mail is synced into your PostgreSQL, searched as Gmail searches, and answered in its thread.</p>
          </li>
        </ol>
      </section>
      <section class="doors" aria-labelledby="doors-title">
        <h2 id="doors-title">For developers</h2>
        <ul>
          <li>
            <a href="/docs">Swagger UI</a>
            <span>Try every call from the browser.</span>
          </li>
          <li>
            <a href="/redoc">ReDoc</a>
            <span>The same contract, for reading.</span>
          </li>
          <li>
            <a href="/openapi.json">openapi.json</a>
            <span>OpenAPI 3.1, for your tools.</span>
          </li>
          {settings.mail?.transport === 'console' ? (
            <li>
              <a href="/dev/letters">Letters</a>
              <span>What would have left by mail. In development only.</span>
            </li>
          ) : null}
        </ul>
      </section>
    </>,
  )
}

const VendExample = () => (
  <figure class="example">
    <figcaption>A backend asks for a token</figcaption>
    <pre>
      <code>
        <span class="dim">$</span> curl -X POST \{'\n'}
        {'  '}…/mail-accounts/<i>id</i>/access-token \{'\n'}
        {'  '}-H <b>"Authorization: Bearer gp_…"</b>
        {'\n\n'}
        {'{\n'}
        {'  '}"access_token": <b>"ya29.…"</b>,{'\n'}
        {'  '}"token_type": <b>"Bearer"</b>,{'\n'}
        {'  '}"expires_in": <b>2640</b>
        {'\n}'}
      </code>
    </pre>
  </figure>
)
