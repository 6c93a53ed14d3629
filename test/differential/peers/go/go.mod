module postern.test/peer

go 1.19
