package node_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// oneRoster zips CSV files as a bulk export, with its manifest.
func oneRoster(t *testing.T, files map[string]string) []byte {
	t.Helper()
	all := []string{"academicSessions", "categories", "classes", "classResources", "courses", "courseResources",
		"demographics", "enrollments", "lineItemLearningObjectiveIds", "lineItems", "lineItemScoreScales", "orgs",
		"resources", "resultLearningObjectiveIds", "results", "resultScoreScales", "roles", "scoreScales",
		"userProfiles", "userResources", "users"}
	manifest := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\n"
	for _, name := range all {
		mode := "absent"
		if _, ok := files[name]; ok {
			mode = "bulk"
		}
		manifest += fmt.Sprintf("file.%s,%s\n", name, mode)
	}
	manifest += "source.systemName,Test SIS\nsource.systemCode,test\n"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name, text string) {
		w, err := z.Create(name + ".csv")
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("manifest", manifest)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		put(name, files[name])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
