#!/bin/bash
# open_page.sh BROWSER PAGE: opens the page in headless Chromium at three widths, sorts each table by each column, and
# prints what it found; exit 1 for script errors, pictures that do not load, or a page wider than its window.
set -eu
browser=$1 page=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The page reports to the frame's owner: files may not look into each other.
cat >"$work/first.html" <<'END'
<script>
var errors = [];
addEventListener("error", event => errors.push(event.message || "not loaded: " + event.target.tagName), true);
addEventListener("securitypolicyviolation", event => errors.push("asks for " + event.blockedURI));
addEventListener("load", () => {
  const problems = errors;
  const buttons = document.querySelectorAll("th button");
  for (const button of buttons) {
    const head = button.closest("th"), rows = () => Array.from(head.closest("table").tBodies[0].rows);
    const count = rows().length;
    button.click();
    const first = head.getAttribute("aria-sort");
    button.click();
    const second = head.getAttribute("aria-sort");
    if (!first || !second || first === second) problems.push("does not sort: " + button.textContent);
    if (rows().length !== count) problems.push("loses rows: " + button.textContent);
  }
  for (const image of document.images) if (!image.complete || image.naturalWidth === 0) problems.push("no picture: " + image.alt);
  for (const image of document.images) if (!image.alt) problems.push("a picture without words");
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) problems.push("is " + root.scrollWidth + " wide in " + root.clientWidth);
  parent.postMessage({ width: root.clientWidth, buttons: buttons.length, pictures: document.images.length, problems }, "*");
});
</script>
END
sed "/<meta charset/r $work/first.html" "$page" >"$work/page.html"
grep -q postMessage "$work/page.html"
cat >"$work/owner.html" <<'END'
<!DOCTYPE html><body><script>
addEventListener("message", event => { document.body.append(JSON.stringify(event.data) + "\n"); });
for (const width of [360, 800, 1400]) {
  const frame = document.createElement("iframe");
  frame.src = "page.html";
  frame.style = "border: 0; width: " + width + "px; height: 700px";
  document.body.append(frame);
}
</script></body>
END
timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
  --virtual-time-budget=20000 --dump-dom "file://$work/owner.html" 2>/dev/null >"$work/out.html" || true
grep -o '{"width".*}' "$work/out.html" || { echo "the page did not answer"; exit 1; }
[ "$(grep -c '^{"width".*"problems":\[\]}' <(grep -o '{"width".*}' "$work/out.html"))" = 3 ]
for width in 360 800 1400; do grep -q "\"width\":$width," "$work/out.html"; done
