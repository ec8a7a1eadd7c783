// Wallets in this browser (EIP-1193, found by EIP-6963 or as window.ethereum). Each gets
// a button that fills in the form around it; without one, the form is filled by hand.

const providers = new Map(); // by name

const places = [...document.querySelectorAll("[data-wallets]")];

/** The text as wallets take it: 0x and the bytes of UTF-8 in hexadecimal. */
const hex = (text) => "0x" + [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, "0")).join("");

/** Names the account that the learner chooses in the wallet, and goes on. */
async function connect(provider, form) {
  const [account] = await provider.request({ method: "eth_requestAccounts" });
  const chain = await provider.request({ method: "eth_chainId" });
  if (!account) throw new Error("The wallet named no account.");
  form.querySelector("[name=did]").value = `eip155:${BigInt(chain)}:${account.toLowerCase()}`;
}

/** Lets the wallet sign the text of the page. */
async function sign(provider, form, place) {
  const wanted = place.dataset.account.split(":").pop().toLowerCase();
  const accounts = (await provider.request({ method: "eth_requestAccounts" })).map((a) => a.toLowerCase());
  if (!accounts.includes(wanted)) throw new Error(`Choose the account ${wanted} in your wallet, then try again.`);
  const text = document.getElementById("text").textContent;
  form.querySelector("[name=signature]").value = await provider.request({ method: "personal_sign", params: [hex(text), wanted] });
}

function offer(name, provider) {
  if (providers.has(name)) return;
  providers.set(name, provider);
  for (const place of places) {
    const form = place.closest("form"), said = place.querySelector("[role=status]");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = place.dataset.wallets === "sign" ? `Sign with ${name}` : `Use ${name}`;
    button.addEventListener("click", async () => {
      button.disabled = true;
      said.textContent = "Look at your wallet: it asks you.";
      try {
        await (place.dataset.wallets === "sign" ? sign : connect)(provider, form, place);
        said.textContent = "Thank you. One moment.";
        form.requestSubmit();
      } catch (e) {
        said.textContent = e?.code === 4001 ? "You said no in your wallet. Nothing was done." : `The wallet did not do it: ${e?.message ?? e}`;
      } finally {
        button.disabled = false;
      }
    });
    place.querySelector(".row").append(button);
    place.hidden = false;
  }
}

addEventListener("eip6963:announceProvider", (e) => offer(String(e.detail.info.name).slice(0, 40), e.detail.provider));
dispatchEvent(new Event("eip6963:requestProvider"));

// A wallet that is announced by its name isn't offered a second time. An element with the id
// "ethereum" would be window.ethereum too, and is no wallet.
setTimeout(() => {
  if (typeof window.ethereum?.request === "function" && ![...providers.values()].includes(window.ethereum)) offer("the wallet in this browser", window.ethereum);
  if (!providers.size) for (const byHand of document.querySelectorAll("[data-by-hand]")) byHand.open = true;
}, 100);

// A wallet elsewhere answers a code that it scanned: the page then asks for a yes.
for (const box of document.querySelectorAll("[data-await]")) {
  const ask = async () => {
    const answer = await fetch(box.dataset.await).catch(() => null);
    if (answer && !answer.ok) return location.reload(); // it is over
    if (answer && (await answer.json()).answered) return location.reload();
    setTimeout(ask, 2000);
  };
  setTimeout(ask, 2000);
}
