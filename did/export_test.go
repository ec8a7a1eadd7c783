package did

// IsPublic is for tests.
var IsPublic = isPublic
