// clr-receipt-form.js is the form of a page that checks receipts: it takes files in any order,
// packed ones, too, puts each where it belongs, has them checked, and says in plain words what
// was checked, what wasn't, and what to do next. It needs clr-receipt-picture.js.
// SPDX-License-Identifier: Apache-2.0
(function (root) {
  'use strict'

  const { cardOf, show, partsOf } = root.clrReceiptPicture
  const MOST_FILES = 20
  const MOST_BYTES = 48 << 20

  // ---- the files

  // unpack gives the files in a zip.
  async function unpack(file) {
    const all = new Uint8Array(await file.arrayBuffer()), view = new DataView(all.buffer), files = []
    const two = at => view.getUint16(at, true), four = at => view.getUint32(at, true)
    let end = all.length - 22
    while (end >= 0 && four(end) !== 0x06054b50) end--
    if (end < 0) throw new Error('it has no end')
    for (let n = two(end + 10), at = four(end + 16); n > 0; n--) {
      const method = two(at + 10), size = four(at + 20), length = two(at + 28), local = four(at + 42)
      const name = new TextDecoder().decode(all.subarray(at + 46, at + 46 + length))
      if (four(at) !== 0x02014b50 || method !== 0 && method !== 8) throw new Error('its files are packed in a way that isn’t known here')
      if (four(at + 24) > MOST_BYTES || files.length === MOST_FILES) throw new Error('it holds too much')
      at += 46 + length + two(at + 30) + two(at + 32)
      if (/\/$|^__MACOSX\//.test(name)) continue
      const from = local + 30 + two(local + 26) + two(local + 28), packed = all.subarray(from, from + size)
      const body = method === 0 ? packed : await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'))).blob()
      files.push(new File([body], name.replace(/^.*\//, '')))
    }
    return files
  }

  const bytes = file => file && file.arrayBuffer()

  const PROOF = /"type"\s*:\s*"(?:CLRAnchorReceipt|CLROwnership|CLRIssuerCopies)"/

  // kindOf tells what a file is: a proof, a record, an object that may be either, or neither.
  async function kindOf(file) {
    const content = await file.text().catch(() => '')
    if (/^\s*ey[\w-]+\./.test(content)) return 'record'
    if (!/^\s*\{/.test(content)) return 'other'
    if (PROOF.test(content)) return 'proof'
    return content.includes('VerifiableCredential"') ? 'record' : 'object'
  }

  // sorted puts files into proofs, records, objects that may be either, and others; packed ones
  // are unpacked, and what can't be is in wrong.
  async function sorted(files) {
    const is = { proof: [], record: [], object: [], other: [], wrong: [], unpacked: false }
    for (const file of [...files].slice(0, MOST_FILES)) {
      let inside = [file]
      if (String.fromCharCode(...new Uint8Array(await file.slice(0, 4).arrayBuffer())) === 'PK\x03\x04') {
        is.unpacked = true
        try {
          inside = await unpack(file)
        } catch (e) {
          inside = []
          is.wrong.push(`${file.name} can’t be unpacked here (${e.message}): unpack it yourself, and choose the files that were in it.`)
        }
      }
      for (const one of inside) is[await kindOf(one)].push(one)
    }
    return is
  }

  const names = files => files.map(f => f.name).join(', ')

  // ---- what it means

  const CHAINS = { 1: 'Ethereum', 10: 'OP Mainnet', 100: 'Gnosis', 137: 'Polygon', 8453: 'Base', 42161: 'Arbitrum One', 11155111: 'Sepolia, a network for tests' }
  const element = (name, ...content) => {
    const e = document.createElement(name)
    e.append(...content)
    return e
  }

  // nextOf tells what is to be done next, after these answers, the parts of which are in parts.
  function nextOf(parts, record) {
    const next = [], has = code => parts.filter(f => f.code === code)
    const asked = has('no_chain').filter(f => f.receipt.block), local = parts.some(f => f.local || f.receipt && f.receipt.chain.local)
    if (local) next.push('The chain is that of one node and proves nothing to others. What counts for you is the signature of who issued the record: see the last point.')
    else if (asked.length) {
      const { id } = asked[0].receipt.chain, blocks = [...new Set(asked.map(f => f.receipt.block.number))].join(', ')
      next.push(`Look up block ${blocks} of chain ${id}${CHAINS[id] ? ` (${CHAINS[id]})` : ''} in two explorers, which are web sites that show what is on a chain, ` +
        'and write its hash above. Don’t take the hash from the files, or from who gave you them.')
    }
    if (has('anchor_pending').length) next.push('The anchor wasn’t there yet when the files were made. Ask for them again later.')
    if (has('chain_no_answer').length || has('other_chain').length) next.push('Name another node of the chain, or try again later. That it gave no answer says nothing about the record.')
    if (!record) next.push('Choose the record, too: without it nobody knows what was anchored.')
    const page = element('a', 'the page Verify')
    page.href = '/verify'
    next.push(element('span', 'Have its signature checked, and whether it was revoked: give all of the files to ', root.location.protocol === 'file:' ? 'the page Verify of a site that you trust, such as the issuer’s own' : page,
      '. A computer’s administrator can do the same with ', element('code', `clrnode verify ${record ? record.name : 'record.json'}`), '.'))
    return next
  }

  // meaningOf says in plain words what was checked, what wasn't, and what to do next.
  function meaningOf(found, record) {
    const parts = found.flatMap(({ answer }) => partsOf(answer)), list = all => element('ul', ...all.map(one => element('li', one)))
    if (parts.some(f => f.outcome === 'failed')) {
      return [element('p', element('strong', 'Don’t rely on these files as they are.'), ' Something in them was changed, or they don’t belong together.'),
        list(['Ask who gave you them for the files again, as they are: a program that opens a record and saves it changes it at times.', 'If it stays so, ask the issuer of the record.'])]
    }
    const onChain = parts.filter(f => f.blockHash), checked = []
    if (parts.some(f => f.recordDigest)) checked.push('that the files belong together, and nothing in the record was changed since they were made')
    else checked.push('that the files are whole; the record was not compared with them')
    if (onChain.length === parts.length) checked.push('that the chain has them, and since when')
    if (onChain.some(f => f.kind === 'ownership')) checked.push('that whoever held the identifier in the record had proven it by then')
    const open = ['who issued the record, and whether its signature is right', 'whether it was revoked or replaced since', 'whether what it says is true',
      'whether who gave it to you is the person that it is about']
    if (onChain.length < parts.length) open.unshift('whether the chain has all of them: until that is known, somebody could have made them today')
    return [element('h3', 'Checked'), list(checked), element('h3', 'Not checked by this page'), list(open), element('h3', 'What to do next'), list(nextOf(parts, record))]
  }

  // ---- the form

  // attach makes a form check receipts, ownerships and issuers' copies. It has the files receipt,
  // one or more, and record, which may be chosen or dropped in any order; check gets what is in
  // one and in the record. What check finds is written to verdict and list, and in plain words
  // to meaning, if there is one; way is shown where there are steps. done gets it last: for each
  // file { file, answer }.
  function attach(form, { verdict, way, list, meaning, check, done = () => {} }) {
    const { receipt, record } = form.elements, said = element('p')
    said.className = 'hint'
    said.setAttribute('role', 'status')
    record.after(said)
    let latest = 0, arranged = Promise.resolve()

    // The files of an input that are where they belong: settle arranges the others.
    const settled = new Map(), filesOf = input => [...input.files].map(f => `${f.name} ${f.size} ${f.lastModified}`).join()
    const put = (input, chosen) => {
      const files = new DataTransfer()
      for (const file of chosen) files.items.add(file)
      input.files = files.files
      settled.set(input, filesOf(input))
    }
    const settle = () => arranged = arranged.then(async () => {
      for (const input of [receipt, record]) {
        if (!input.files.length || settled.get(input) === filesOf(input)) continue
        settled.set(input, filesOf(input))
        await arrange([...input.files], input.id)
      }
    })

    // arrange puts files where they belong that were chosen as receipt or as record, or dropped.
    async function arrange(files, as) {
      const is = await sorted(files), proofs = [...is.proof], records = [...is.record]
      if (as === 'record' || !as && (proofs.length || receipt.files.length) && !records.length) records.push(...is.object)
      else proofs.push(...is.object)
      if (proofs.length || as === 'receipt') put(receipt, proofs)
      if (records.length || as === 'record') put(record, records.slice(-1))
      const own = as === 'record' ? records.slice(-1) : proofs, words = [...is.wrong]
      if (!as || is.unpacked || own.length !== files.length) {
        if (proofs.length) words.push(`What proves something: ${names(proofs)}.`)
        if (records.length) words.push(`The record: ${names(records.slice(-1))}.`)
        const idle = [...is.other, ...records.slice(0, -1)]
        if (idle.length) words.push(`Not looked at: ${names(idle)}.`)
      }
      said.textContent = words.join(' ')
    }

    const judge = async file => {
      try {
        return await check(await bytes(file), await bytes(record.files[0]))
      } catch (e) { // a file that can't be read says nothing about the receipt
        return { outcome: 'could not check', sentence: `A file can’t be read: ${e.message}.` }
      }
    }

    // lacking is what is said where there is no proof to check.
    const lacking = () => ({ outcome: 'could not check', sentence: (record.files.length ? 'This is the record alone. Choose what came with it, too' : 'Choose what came with the record') +
      ': the files whose names end in .receipt.json, .ownership.json or .issuer.json, or the zip that has them all.' })

    form.addEventListener('submit', async event => {
      event.preventDefault()
      const turn = ++latest
      verdict.textContent = 'Checking…'
      verdict.hidden = false
      way.hidden = true
      if (meaning) meaning.hidden = true
      await settle()
      const found = []
      for (const file of receipt.files) found.push({ file, answer: await judge(file) })
      if (turn !== latest) return // another check has begun
      if (!found.length) verdict.replaceChildren(cardOf({ answer: lacking() }))
      else {
        way.hidden = !show(found, verdict, list)
        if (meaning) {
          meaning.hidden = false
          meaning.lastElementChild.replaceChildren(...meaningOf(found, record.files[0]))
        }
      }
      done(found)
      verdict.scrollIntoView({ block: 'nearest' })
    })
    for (const input of [receipt, record]) input.addEventListener('change', settle)
    for (const kind of ['dragenter', 'dragover']) {
      form.addEventListener(kind, event => { event.preventDefault(); form.classList.add('over') })
    }
    form.addEventListener('dragleave', () => form.classList.remove('over'))
    form.addEventListener('drop', event => {
      event.preventDefault()
      form.classList.remove('over')
      const files = [...event.dataTransfer.files]
      arranged = arranged.then(() => arrange(files)).then(() => form.requestSubmit())
    })
  }

  root.clrReceiptForm = { attach }
})(self)
