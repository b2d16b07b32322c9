/** Entry of the model editor's webview. */
import '../shared/base.css';
import './style/page.css';
import './style/bar.css';
import './style/target.css';
import './style/menu.css';
import './style/graph.css';
import './style/inspector.css';
import './style/panel.css';
import { registerControls } from '../shared/controls.ts';
import { Editor } from './editor.ts';

registerControls();
const root = document.getElementById('root');
if (!root) throw new Error('the page has no #root');
const editor = new Editor(root);
editor.ready();
