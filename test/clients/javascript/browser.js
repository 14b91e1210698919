// A person in front of a browser without scripts: fills in the sign-in pages, keeps cookies, and has an authenticator app.
import { createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

const totpStep = 30 // seconds
const maxSteps = 10

/** The last step of each secret that a code was made of, for a code works once. */
const shown = new Map()

/** The next one-time code (RFC 6238). Where the app has shown all that the server takes now, it waits. */
async function code(secret) {
  const step = Math.max(Math.floor(Date.now() / 1000 / totpStep), (shown.get(secret) ?? 0) + 1)
  shown.set(secret, step)
  // The server forgives clocks that are one step ahead, no more.
  await pause(Math.max(0, (step - 1) * totpStep * 1000 - Date.now()))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const sum = createHmac('sha1', base32(secret)).update(counter).digest()
  const at = sum.at(-1) & 0xf
  return String((sum.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** The bytes of a text in base32 without padding (RFC 4648 §6). */
function base32(text) {
  let bits = 0
  let value = 0
  const bytes = []
  for (const c of text) {
    value = (value << 5 | 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c)) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push(value >> bits & 0xff)
    }
  }
  return Buffer.from(bytes)
}

export class Browser {
  #cookies = new Map()

  /** The steps of the pages that were shown, in order. */
  asked = []

  /** Makes the person say no to the device. */
  refuses = false

  constructor(person) { this.person = person }

  /** Opens a page and does what it and the next ones ask, until none asks more. A device's page asks for its code. */
  async visit(address, userCode) {
    let page = await this.#open(address)
    for (let n = 0; n < maxSteps; n++) {
      if (!page.fields) return
      let step = page.fields.get('step') ?? (page.leads ? 'return' : null)
      if (page.fields.has('user_code')) {
        step = 'code'
        page.fields.set('user_code', userCode)
      }
      this.asked.push(step)
      await this.#fill(step, page.fields)
      page = await this.#open(page.address, page.fields)
    }
    throw new Error(`the sign-in does not end; it asked ${this.asked.join(' ')}`)
  }

  async #fill(step, fields) {
    switch (step) {
      case 'code':
      case 'return': // to the program that waits for the answer
        return
      case 'password':
        fields.set('username', this.person.userPrincipalName)
        fields.set('password', this.person.password)
        return
      case 'totp':
        fields.set('totp', await code(this.person.totpSecret))
        return
      case 'confirm':
        fields.set('answer', this.refuses ? 'deny' : 'allow')
        return
      default:
        throw new Error(`the page asks for something unknown: ${step}`)
    }
  }

  /** Opens a page, or sends its form, and follows where that leads. A page without a form has no fields. */
  async #open(address, form) {
    for (let n = 0; n < maxSteps; n++) {
      const answer = await fetch(address, {
        method: form ? 'POST' : 'GET', body: form, redirect: 'manual', headers: { cookie: this.#cookiesFor(address) },
      })
      this.#keep(answer.headers.getSetCookie())
      if (answer.status < 300 || answer.status >= 400) return read(address, answer)
      address = new URL(answer.headers.get('location'), address).href
      form = undefined
    }
    throw new Error(`${address} leads nowhere`)
  }

  #keep(cookies) {
    for (const cookie of cookies) {
      const [pair, ...attributes] = cookie.split(/;\s*/)
      const [name, ...value] = pair.split('=')
      const path = attributes.find((a) => /^path=/i.test(a))?.slice(5) ?? '/'
      const key = `${name} ${path}`
      if (attributes.some((a) => /^max-age=(0|-)/i.test(a))) this.#cookies.delete(key)
      else this.#cookies.set(key, { path, pair: `${name}=${value.join('=')}` })
    }
  }

  #cookiesFor(address) {
    const { pathname } = new URL(address)
    return [...this.#cookies.values()].filter((c) => pathname.startsWith(c.path)).map((c) => c.pair).join('; ')
  }
}

/** Finds the one form of a page, and where it leads to where that is elsewhere. Buttons are left out: none was pressed yet. */
async function read(address, answer) {
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${address}: ${answer.status} ${text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')}`)
  const [form] = /<form\b[^>]*>/.exec(text) ?? []
  if (!form) return { address }
  const action = new URL(attribute(form, 'action'), address).href
  const fields = new URLSearchParams()
  for (const [input] of text.matchAll(/<input\b[^>]*>/g)) {
    const name = attribute(input, 'name')
    if (name) fields.set(name, attribute(input, 'value'))
  }
  return { address: action, fields, leads: new URL(action).origin !== new URL(address).origin }
}

function attribute(tag, name) {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)
  return found ? found[1].replace(/&#(\d+);/g, (_, n) => String.fromCodePoint(n)).replaceAll('&quot;', '"').replaceAll('&amp;', '&') : ''
}
