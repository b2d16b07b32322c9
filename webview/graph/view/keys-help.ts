/** The keys of the graph, as a dialog. */
import { button } from '../../shared/controls.ts';
import { element } from '../../shared/dom.ts';
import { t } from '../../shared/l10n.ts';

const keys = (): readonly (readonly [keys: readonly string[], does: string])[] => [
  [['↑', '↓', '←', '→'], t('go along the edges; with Shift, move the picture')],
  [['Enter'], t('opens or closes a module (with Shift: all of equal structure), selects a layer')],
  [['Space'], t('selects; with Alt, the whole scope')],
  [['s'], t('selects the whole scope')],
  [['g'], t('selects the group alone')],
  [['p'], t('pins the outputs, or frees them; with Shift, the inputs')],
  [['Backspace'], t('goes to the module around it')],
  [['/', 'Ctrl+F'], t('finds by name or type')],
  [['f', '+', '-'], t('fit (long networks in columns; again: in one), nearer, farther')],
  [['Ctrl+Alt+T'], t('to the target')],
  [['Esc'], t('selects nothing')],
  [['?'], t('shows this')],
];

export class KeysHelp {
  readonly root: HTMLDialogElement;

  /** `closed`: where the keyboard goes then. */
  constructor(closed: () => void) {
    const rows = keys().map(([names, does]) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, ...names.map((name) => element('kbd', {}, name))),
        element('td', {}, does),
      ),
    );
    const close = button(t('Close'), { look: 'secondary', onClick: () => this.root.close() });
    this.root = element(
      'dialog',
      { class: 'keys-help', 'aria-labelledby': 'keys-title' },
      element('h2', { id: 'keys-title' }, t('Keys of the graph')),
      element('table', {}, element('tbody', {}, ...rows)),
      close,
    );
    this.root.addEventListener('close', closed);
    this.root.addEventListener('click', (event) => {
      // The backdrop is the dialog itself; what is in it lies in its children.
      if (event.target === this.root) this.root.close();
    });
  }

  open(): void {
    if (!this.root.open) this.root.showModal();
  }
}
