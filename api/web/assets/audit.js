// The auditor's page checks a receipt in the browser, and puts beside it what this node says
// and the command that asks the chain instead.

const at = (id) => document.getElementById(id);
const form = at("audit");

function element(name, content) {
  const e = document.createElement(name);
  e.textContent = content;
  return e;
}

/** What this node says of the record with this digest: its receipt as it is now, or null. */
async function askNode(digest) {
  const answer = await fetch(`/anchors/${digest.slice(2)}`, { headers: { Accept: "application/json" } });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`it answers with status ${answer.status}`);
  return answer.json();
}

/** What the checker finds, and as node what this node says, or an Error. */
async function check(receipt, record) {
  const block = at("block").value.trim();
  const found = await clrReceipt.check(receipt, record, block ? { blockHash: block } : {});
  if (!found.receipt) return found;
  const node = await askNode(found.receipt.digest).catch((e) => e);
  if (found.code !== "no_chain" || block || !node?.block) return { ...found, node };
  const again = await clrReceipt.check(receipt, record, { blockHash: node.block.hash, word: "this node’s" });
  return again.code === "no_chain" ? { ...found, node } : { ...again, node, byNode: true };
}

const phases = {
  unknown: "pending: in no batch, or on the way to one", submitted: "submitted: sent to the chain", mined: "mined: in a block",
  confirmed: "confirmed: in a block, almost final", final: "final",
};

/** The node's words, with a sentence for what differs from the receipt. */
function nodeWords(receipt, node) {
  const words = [];
  const say = (sentence) => words.push(element("p", sentence));
  if (receipt.log !== form.dataset.log.toLowerCase().replace(/^.*:/, "")) say("The receipt is of another log than the one on this page.");
  if (node instanceof Error) say(`It gave no answer (${node.message}). Try again later.`);
  else if (!node) say("It knows no record with this digest.");
  else {
    const list = document.createElement("dl");
    list.className = "pairs";
    const pair = (name, value) => list.append(element("dt", name), element("dd", value));
    pair("State", phases[node.phase] ?? node.phase);
    if (node.count) {
      pair("Root", node.root);
      pair("Leaves", `${node.count}; the record is leaf ${node.index}, counted from 0`);
    }
    if (node.block) {
      pair("Place in the log", `${node.seq}, after ${node.firstLeaf} leaves`);
      pair("Time", node.block.time.replace("T", " ").replace("Z", " UTC"));
      pair("Block", `${node.block.number}, ${node.block.hash}`);
    }
    if (node.tx) pair("Transaction", node.tx);
    words.push(list);
    if (node.count && receipt.count !== "0" && node.root !== receipt.root) say("That is another root than the one in the receipt.");
    if (node.block && !receipt.block) {
      const p = element("p", "The receipt is older: since then the record was anchored. ");
      const link = element("a", "The newest receipt");
      link.href = `/anchors/${receipt.digest.slice(2)}`;
      link.download = "receipt.json";
      p.append(link);
      words.push(p);
    } else if (node.block && node.block.hash !== receipt.block.hash) say("That is another block than the one in the receipt.");
  }
  const row = [...document.querySelectorAll("tr[data-root]")].find((r) => r.dataset.root === receipt.root);
  if (row) say(`The root is the one of batch ${row.querySelector("th").innerText.trim()} below.`);
  return words;
}

/** A word of a command line, for a POSIX shell. */
const quoted = (word) => (/^[\w./:@-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replace(/'/g, "'\\''")}'`);

function commands(receipt) {
  const files = form.elements;
  let command = `clrnode audit --receipt ${quoted(files.receipt.files[0].name)}`;
  if (files.record.files.length) command += ` --record ${quoted(files.record.files[0].name)}`;
  const block = at("block").value.trim();
  const url = receipt.chain.local ? "" : " --rpc URL";
  let hint = `Who doesn’t trust this node asks the chain with this command. URL is a node of chain ${receipt.chain.id} that you trust.`;
  if (receipt.chain.local) {
    hint = "Who doesn’t trust this page runs this command on the node’s machine, where the folder with its data is; " +
      "elsewhere with --rpc and the URL that clrnode chain info prints.";
  }
  if (/^0x[0-9a-fA-F]{64}$/.test(block)) {
    command += ` --offline --block-hash ${block}`;
    hint = "Who doesn’t trust this page runs this command, which asks nobody.";
  } else command += url;
  at("command").textContent = command;
  at("command-hint").textContent = hint;
  at("command-log").textContent = `clrnode audit --log eip155:${receipt.chain.id}:${receipt.log}${url}`;
}

function done(found) {
  at("node-says").hidden = !found.receipt;
  for (const row of document.querySelectorAll("tr[data-root]")) row.classList.toggle("found", row.dataset.root === found.receipt?.root);
  if (!found.receipt) return;
  at("node-words").replaceChildren(...nodeWords(found.receipt, found.node));
  commands(found.receipt);
}

clrReceiptPicture.attach(form, { verdict: at("verdict"), way: at("way"), list: at("steps"), check, done });
form.hidden = false;
