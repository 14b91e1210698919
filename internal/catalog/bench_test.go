package catalog

import "testing"

// BenchmarkLoadAzure is what the first question about a role of the resource provider costs.
func BenchmarkLoadAzure(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := loadAzure(azureRoles); err != nil {
			b.Fatal(err)
		}
	}
}
