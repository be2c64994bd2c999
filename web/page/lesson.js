// A lesson: what to look at, a prediction to mark, and the answer behind it.

export class Lesson {
  constructor(place, view) {
    Object.assign(this, { place, view, now: null, id: '' });
  }

  // What the form shows: the lesson's fields alone, those that are no choice of the reader's locked.
  form() {
    return this.now ? { shown: this.now.shown, locked: this.now.locked || [] } : {};
  }

  open(lesson) {
    if (lesson === this.now) return;
    this.now = lesson || null;
    this.id = lesson ? lesson.id : '';
    this.place.hidden = !lesson;
    if (!lesson) return;
    document.querySelector(`#${lesson.view} aside`).prepend(this.place);
    this.place.querySelector('h2').textContent = lesson.title;
    this.place.querySelector('.text').textContent = lesson.text;
    this.place.querySelector('legend').textContent = lesson.question;
    this.place.querySelector('.answer').hidden = true;
    this.place.querySelector('.options').replaceChildren(...lesson.options.map((text, i) => {
      const button = Object.assign(document.createElement('button'), { textContent: text });
      button.onclick = () => this.mark(i);
      return button;
    }));
  }

  close() { this.open(null); }

  // The prediction stands once it is marked; then the models may answer.
  mark(i) {
    if (!this.place.querySelector('.answer').hidden) return;
    const buttons = [...this.place.querySelectorAll('.options button')];
    buttons.forEach((button, k) => button.classList.toggle('chosen', k === i));
    document.getElementById(this.now.view === 'map' ? 'fill' : 'play').click();
    if (this.now.view === 'live') setTimeout(() => this.answered(), 2500);
  }

  answered() {
    if (!this.now || !this.place.querySelector('.chosen')) return;
    this.place.querySelectorAll('.options button')[this.now.answer].classList.add('right');
    const answer = this.place.querySelector('.answer');
    answer.textContent = this.now.explanation;
    answer.hidden = false;
  }
}
