package registry

// OpenPostgresTables opens a store that has other tables than the registry's.
var OpenPostgresTables = openPostgres
