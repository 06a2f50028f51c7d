"use strict";
(() => {
  const form = document.querySelector(".filters");
  const images = [...document.querySelectorAll("details.image")];
  const groups = [...document.querySelectorAll(".group")].filter((group) => group.querySelector(".image"));
  const said = form.querySelector("output");

  const holds = (image, wanted) =>
    (!wanted.judgement || image.dataset.judgement === wanted.judgement) &&
    (!wanted.outcome || image.dataset.outcome === wanted.outcome) &&
    (!wanted.tag || image.dataset.tags.split(" ").includes(wanted.tag)) &&
    wanted.words.every((word) => image.dataset.search.includes(word));

  const filter = () => {
    const entries = Object.fromEntries(new FormData(form));
    const wanted = { ...entries, words: entries.text.toLowerCase().split(/\s+/).filter(Boolean) };
    let shown = 0;
    for (const image of images) {
      image.hidden = !holds(image, wanted);
      shown += image.hidden ? 0 : 1;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector(".image:not([hidden])");
    }
    said.textContent = shown === images.length ? "" : `${shown} of ${images.length}`;
  };

  // The lines that decided are in the middle of a long log: bring them into its view.
  const show = (log) => {
    const hot = log.querySelector(".hot");
    log.scrollTop = hot ? hot.offsetTop - log.clientHeight / 3 : log.scrollHeight;
  };

  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const image = target && target.closest("details.image");
    if (!image) return;
    if (image.hidden) {
      form.reset();
      filter();
    }
    image.open = true;
    image.scrollIntoView();
    image.querySelector("summary").focus({ preventScroll: true });
  };

  document.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    const log = event.target.querySelectorAll("details.console[open] > .log, :scope > .log");
    log.forEach(show);
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select")) return;
    event.preventDefault();
    form.elements.text.focus();
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", open);
  form.hidden = images.length < 2;
  filter();
  open();
})();
