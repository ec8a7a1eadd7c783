// Package api is a node over HTTP: what programs call and what people see.
//
// Begin with [Handler] in api.go, where every route stands on one page with who
// may call it. A handler reads, calls the node, and writes; what it returns as an
// error becomes a problem document (RFC 9457) for programs and a page for
// browsers, decided in one switch in problem.go. The pages themselves are in
// package api/web.
package api
