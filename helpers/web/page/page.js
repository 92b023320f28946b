"use strict";
/* Keeps the page as its server sees it. The server says what stands where, so nothing is worked out
 * here: texts by name, states by name, the other targets, and the bars. */
(() => {
  const live = document.getElementById("live");
  const bars = document.querySelectorAll("#spark rect");

  function set(attribute, values, change) {
    for (const [name, value] of Object.entries(values)) {
      for (const element of document.querySelectorAll(`[${attribute}="${name}"]`)) {
        change(element, value);
      }
    }
  }

  function show(news) {
    set("data-text", news.text, (element, value) => {
      if (element.textContent !== value) element.textContent = value;
    });
    set("data-is", news.state, (element, value) => {
      element.dataset.state = value;
    });
    for (const [name, { state, says }] of Object.entries(news.targets)) {
      const item = document.querySelector(`[data-target="${name}"]`);
      if (!item) continue; /* made known since the page was loaded */
      item.dataset.state = state;
      item.querySelector("span").textContent = says;
    }
    news.bars.forEach(([height, available], i) => {
      bars[i].setAttribute("height", height);
      bars[i].setAttribute("y", 48 - height);
      bars[i].setAttribute("class", available ? "" : "bad");
    });
    document.title = news.title;
  }

  function say(state, text) {
    if (live.textContent === text) return;
    live.dataset.state = state;
    live.textContent = text;
  }

  function listen() {
    const source = new EventSource("events");
    source.onopen = () => say("ok", "live");
    source.onmessage = (event) => show(JSON.parse(event.data));
    source.onerror = () => {
      say("bad", "connection lost, trying again");
      /* A browser comes back by itself after a broken connection, but not after an answer such as
       * 502, which a proxy gives while the app is deployed. */
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    };
  }

  listen();
})();
