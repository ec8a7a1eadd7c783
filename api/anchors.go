package api

import (
	"net/http"

	"clrnode/api/web"
	"clrnode/registry"
)

func (s *server) anchors(w http.ResponseWriter, r *http.Request, p registry.Publisher) error {
	o, err := s.node.Overview(r.Context(), p.ID)
	if err != nil {
		return err
	}
	page := web.Page{Title: "Anchoring", Demo: p.Demo, Body: o}
	if s.who(r).Publisher == p.ID {
		return s.page(w, r, http.StatusOK, "anchors", "anchors", p, page)
	}
	return s.render(w, r, http.StatusOK, "anchors", "auditor", page)
}
