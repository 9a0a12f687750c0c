// What was picked and what Python says is selected. Python answers picks in their order, so while a
// later one is on its way, the answer to an earlier one would set the hand back.
class Picks {
  waiting = []; // as text
  told = null;

  sent(pick) {
    this.waiting.push(JSON.stringify(pick));
  }

  // Whether the selection that Python sends is a new one to draw.
  news(selection) {
    const words = JSON.stringify(selection);
    if (words === this.told) return false;
    this.told = words;
    const at = this.waiting.indexOf(words);
    this.waiting.splice(0, at < 0 ? this.waiting.length : at + 1);
    return this.waiting.length === 0;
  }
}
