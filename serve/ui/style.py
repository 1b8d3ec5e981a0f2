"""How the page looks, beside Gradio's theme: colours that do in its light and its dark version."""

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
.gradio-container > main { max-width: 64rem; margin: 0 auto; }
.ph-answers { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.ph-answer {
  border: 1px solid var(--border-color-primary); border-radius: 8px; padding: .75rem 1rem;
  background: var(--block-background-fill); overflow-wrap: anywhere;
}
.ph-answer h3 { margin: 0 0 .5rem; font-size: 1.05rem; }
.ph-answer h4 { margin: .75rem 0 .25rem; font-size: .95rem; }
.ph-kind { font-weight: 400; font-size: .85rem; opacity: .75; margin-left: .6rem; }
.ph-failed { border-color: #c2410c; border-left-width: 5px; }
.ph-value { font-size: 1.15rem; font-weight: 600; margin: 0 0 .5rem; }
.ph-note, .ph-cost { font-size: .9rem; opacity: .8; margin: .4rem 0 0; }
.ph-bars { list-style: none; margin: 0; padding: 0; display: grid; gap: .35rem; }
.ph-bars li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .6rem; }
.ph-bar { grid-column: 1 / -1; height: .5rem; border-radius: 4px; overflow: hidden;
  background: hsl(220 15% 50% / .22); }
.ph-fill { display: block; height: 100%; background: hsl(220 15% 55%); }
.ph-chosen .ph-fill { background: hsl(221 83% 53%); }
.ph-chosen .ph-label, .ph-chosen .ph-number { font-weight: 600; }
.ph-number { font-variant-numeric: tabular-nums; }
.ph-text { line-height: 2; margin: 0 0 .5rem; white-space: pre-wrap; }
.ph-mark { color: inherit; border-radius: 4px; padding: .15rem .3rem;
  background: hsl(var(--ph-hue, 45) 85% 50% / .28); box-decoration-break: clone; }
.ph-tag { font-size: .72rem; font-weight: 700; margin-left: .35rem; padding: 0 .3rem;
  border: 1px solid currentColor; border-radius: 4px; white-space: nowrap; }
.ph-hue-answer { --ph-hue: 142; } .ph-hue-0 { --ph-hue: 210; } .ph-hue-1 { --ph-hue: 28; }
.ph-hue-2 { --ph-hue: 150; } .ph-hue-3 { --ph-hue: 265; } .ph-hue-4 { --ph-hue: 330; }
.ph-hue-5 { --ph-hue: 55; } .ph-hue-6 { --ph-hue: 185; } .ph-hue-7 { --ph-hue: 0; }
.ph-json { overflow-x: auto; max-width: 100%; font-size: .85rem; margin: 0; }
.ph-scroll { overflow-x: auto; max-width: 100%; }
.ph-table, .ph-table tr { border: 0 !important; }
.ph-table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.ph-table th, .ph-table td { text-align: left; padding: .3rem .6rem; white-space: nowrap;
  border-style: solid; border-width: 0 0 1px !important;
  border-color: var(--border-color-primary) !important; }
.ph-table th { font-weight: 600; }
.ph-table .ph-figure { text-align: right; font-variant-numeric: tabular-nums; }
.ph-chip { display: inline-block; margin: 0 .3rem .3rem 0; padding: 0 .5rem; border-radius: 999px;
  border: 1px solid var(--border-color-primary); font-size: .85rem; }
.ph-about dt { font-weight: 600; margin-top: .5rem; } .ph-about dd { margin: 0; }
"""
