/** Commands that the model editor's webview carries out: the keyboard's and the palette's way to what the mouse can do. */
import type { GraphEditorCommand } from '../../protocol/graph-editor.ts';
import type { Services } from './services.ts';

export const graphCommand =
  (command: GraphEditorCommand) =>
  ({ editors }: Services): void => {
    const editor = editors.activeEditor;
    editor?.panel.reveal();
    editor?.command(command);
  };
