module postern.test/clients

go 1.22
