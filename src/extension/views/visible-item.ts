/** Rows of the trees whose words come from files. */
import type * as vscode from 'vscode';
import { visible, visibleLine } from '../../common/visible.ts';

/** The row with characters that cannot be seen written as escapes: nothing in a name turns the line around. */
export function visibleItem(item: vscode.TreeItem): vscode.TreeItem {
  const { label, description, tooltip } = item;
  if (typeof label === 'string') item.label = visibleLine(label);
  if (typeof description === 'string') item.description = visibleLine(description);
  if (typeof tooltip === 'string') item.tooltip = visible(tooltip);
  else if (tooltip) tooltip.value = visible(tooltip.value);
  return item;
}
