package registry

// OpenPostgresTables opens a store that has more tables than the registry's.
var OpenPostgresTables = openPostgres

// CheckPostgresAddress reads the address of a database.
func CheckPostgresAddress(url string) error {
	_, err := postgresConfig(url)
	return err
}
