// Trades the token of the link for a session. The token is good once, and leaves the address first.
const said = document.getElementById("said");
const token = location.hash.slice(1);
history.replaceState(null, "", "/");

if (token === "") {
  said.textContent = "This console opens by the link that harness console printed, once.";
} else {
  const answer = await fetch("/enter", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (answer.ok) {
    location.replace("/");
  } else {
    const why = (await answer.text()).trim();
    said.textContent = `${why} Who is in can make another link.`;
  }
}
