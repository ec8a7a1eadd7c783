// Package web is what people see: the pages' templates, their style sheet and
// scripts, and the views that templates take.
//
// Begin with [Render], which writes one page; [NewRecord], which makes the view
// of a record, and takes a *vc.Verified, so that no page can show a grade that
// wasn't checked; and [NewResult], which says how a verification is shown.
//
// All fixed texts stand in templates/, none in Go. Pages work without scripts;
// assets/*.js only make them quicker.
package web
