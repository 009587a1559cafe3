module truemarkets.example/mint-refresh

go 1.25.0
