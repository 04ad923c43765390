# Stands in for mariadb:10.11: see mariadb-entrypoint.
FROM wallport-drill:servers
COPY --chmod=755 mariadb-entrypoint healthcheck.sh /usr/local/bin/
RUN rm -rf /var/lib/mysql && install -d -o mysql -g mysql -m 0755 /var/lib/mysql /run/mysqld
ENTRYPOINT ["mariadb-entrypoint"]
CMD ["mariadbd"]
